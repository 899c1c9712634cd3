"""Signatures: one purpose, one statement, one spelling; anything else does not verify."""

import base64
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts.authority import Activation, DocumentKind, Endorsement
from contracts.canonical import canonical_json
from contracts.signing import SignedFor, as_bytes, as_text, is_signed_by, key_id_of, public_half, sign, signed_bytes

ORDER = 2**252 + 27742317777372353535851937790883648493
"""Of the group that Ed25519 signs in: S and S + ORDER stand for the same point."""
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = public_half(KEY)
STATEMENT = Endorsement(
    activation=Activation(deployment="acme", kind=DocumentKind.PINS, version=1, digest="sha256:" + "a" * 64),
    signer="dana",
    key_id=key_id_of(PUBLIC),
    signed_at=datetime(2026, 11, 25, 9, tzinfo=UTC),
)


@pytest.mark.parametrize("purpose", SignedFor)
def test_a_signature_verifies_for_the_purpose_it_was_made_for_and_for_no_other(purpose: SignedFor) -> None:
    signature = sign(KEY, purpose, STATEMENT)

    assert [other for other in SignedFor if is_signed_by(PUBLIC, other, STATEMENT, signature)] == [purpose]


def test_what_is_signed_names_purpose_and_version_and_leaves_the_signature_out() -> None:
    signed = signed_bytes(SignedFor.ACTIVATION, STATEMENT)

    head, nul, statement = signed.partition(b"\0")
    assert (head, nul) == (b"interlock/activation/v1", b"\0")
    assert statement == canonical_json(STATEMENT.model_dump(mode="json", exclude={"signature"}))
    with_signature = STATEMENT.model_copy(update={"signature": "x"})
    assert signed_bytes(SignedFor.ACTIVATION, with_signature) == signed


def test_no_purpose_begins_like_another_with_its_nul() -> None:
    heads = [signed_bytes(purpose, STATEMENT).partition(b"\0")[0] + b"\0" for purpose in SignedFor]

    assert [(a, b) for a in heads for b in heads if a is not b and b.startswith(a)] == []


def test_a_signature_of_another_key_does_not_verify() -> None:
    signature = sign(Ed25519PrivateKey.generate(), SignedFor.ACTIVATION, STATEMENT)

    assert not is_signed_by(PUBLIC, SignedFor.ACTIVATION, STATEMENT, signature)


def test_every_flipped_bit_of_a_signature_is_noticed() -> None:
    signature = as_bytes(sign(KEY, SignedFor.ACTIVATION, STATEMENT), 64)

    for bit in range(512):
        flipped = bytearray(signature)
        flipped[bit // 8] ^= 1 << bit % 8
        assert not is_signed_by(PUBLIC, SignedFor.ACTIVATION, STATEMENT, as_text(bytes(flipped)))


def test_a_signature_with_another_s_for_the_same_point_is_refused() -> None:
    signature = as_bytes(sign(KEY, SignedFor.ACTIVATION, STATEMENT), 64)
    s = int.from_bytes(signature[32:], "little")
    twins = [s + ORDER * times for times in range(1, 16) if s + ORDER * times < 2**256]

    assert len(twins) > 10
    for twin in twins:
        forged = as_text(signature[:32] + twin.to_bytes(32, "little"))
        assert not is_signed_by(PUBLIC, SignedFor.ACTIVATION, STATEMENT, forged)


SMALL_ORDER = (
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
)


@pytest.mark.parametrize("sign_bit", [0, 0x80])
@pytest.mark.parametrize("point", SMALL_ORDER)
def test_a_public_key_for_which_anybody_could_sign_is_refused(point: str, sign_bit: int) -> None:
    """Of small order, or such a one in a second spelling (the list that libsodium has)."""
    data = bytearray.fromhex(point)
    data[31] |= sign_bit
    weak = as_text(bytes(data))

    with pytest.raises(ValueError, match="anybody could sign for it"):
        key_id_of(weak)
    for first in (bytes(data), bytes([1]) + bytes(31)):
        assert not is_signed_by(weak, SignedFor.ACTIVATION, STATEMENT, as_text(first + bytes(32)))


def spellings(text: str) -> list[str]:
    """The same bytes, written otherwise; and what merely looks like it."""
    data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_")
    last = ALPHABET.index(text[-1])
    unused = 4 if len(text) % 4 == 3 else 16
    return [
        text + "=",
        text + "=" * (-len(text) % 4),
        f" {text}",
        f"{text}\n",
        f"{text[:10]}\n{text[10:]}",
        f"{text[:10]} {text[10:]}",
        base64.b64encode(data + b"").decode().rstrip("=").replace("-", "+").replace("_", "/") + "=",
        data.hex(),
        text[:-1] + ALPHABET[last - last % unused + (last % unused + 1) % unused],
        text[:-1],
        text + "A",
        "",
        "é" + text[1:],
        "\x00" + text[1:],
    ]


def test_a_second_spelling_of_a_signature_is_refused() -> None:
    signature = sign(KEY, SignedFor.ACTIVATION, STATEMENT)

    assert is_signed_by(PUBLIC, SignedFor.ACTIVATION, STATEMENT, signature)
    for other in spellings(signature):
        assert other != signature
        assert not is_signed_by(PUBLIC, SignedFor.ACTIVATION, STATEMENT, other)


def test_a_second_spelling_of_a_public_key_is_refused() -> None:
    signature = sign(KEY, SignedFor.ACTIVATION, STATEMENT)

    for other in spellings(PUBLIC):
        assert not is_signed_by(other, SignedFor.ACTIVATION, STATEMENT, signature)
        with pytest.raises(ValueError, match=r"base64url|not 32 bytes"):
            key_id_of(other)


def test_the_last_character_may_carry_no_bits_that_mean_nothing() -> None:
    same = [spelling for spelling in (PUBLIC[:-1] + last for last in ALPHABET) if _bytes(spelling) == _bytes(PUBLIC)]

    assert len(same) == 4
    assert [spelling for spelling in same if _is_accepted(spelling)] == [PUBLIC]


def test_a_statement_without_a_canonical_form_is_never_signed() -> None:
    unspeakable = STATEMENT.model_copy(update={"signer": "\ud800"})

    with pytest.raises(ValueError, match=r"surrogate|utf-8|UTF"):
        sign(KEY, SignedFor.ACTIVATION, unspeakable)
    assert not is_signed_by(PUBLIC, SignedFor.ACTIVATION, unspeakable, sign(KEY, SignedFor.ACTIVATION, STATEMENT))


def test_a_key_is_named_after_its_public_half() -> None:
    assert PUBLIC == "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg"
    assert key_id_of(PUBLIC) == "k-56475aa75463474c0285df5dbf2bcab7"


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=", altchars=b"-_")


def _is_accepted(text: str) -> bool:
    try:
        return bool(as_bytes(text, 32))
    except ValueError:
        return False
