"""totals.toml: which running totals there are, what an action adds to each, and what is wrong with the file."""

from datetime import UTC, datetime

import pytest
from pydantic import JsonValue

from contracts.tools import LARGEST_AMOUNT, Share
from policies.totals import CannotTotal, TotalsUnusable, load_totals, shares_of
from workers.settings import REPOSITORY

OURS = load_totals((REPOSITORY / "policies" / "totals.toml").read_text("utf-8"))
FRIDAY_NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
CREDIT: dict[str, JsonValue] = {"order_id": "A-17", "customer_id": "C-7", "cents": 999}


def total(lines: str = "", **replaced: str) -> str:
    """A file with one total; `lines` are added to it, and fields replaced or, when empty, left out."""
    fields = {"tool": '"payments.issue_credit"', "amount": '"/cents"', "per": '["requester", "day"]'} | replaced
    table = "\n".join(f"{name} = {value}" for name, value in fields.items() if value)
    return f"[totals.credits]\n{table}\n{lines}\n"


def shares(
    text: str,
    arguments: dict[str, JsonValue] | None = None,
    requester: str = "rita",
    automation: str = "refund",
    at: datetime = FRIDAY_NOON,
    tool: str = "issue_credit",
) -> tuple[Share, ...]:
    """What a credit of 9.99 adds to the totals of a file."""
    given = CREDIT if arguments is None else arguments
    rules = load_totals(text)
    return shares_of(rules, "payments", tool, given, requester=requester, automation=automation, at=at)


def whom(*args: object, **kwargs: object) -> str:
    """For whom the only total of a file counts a credit."""
    (share,) = shares(*args, **kwargs)  # type: ignore[arg-type]  # the same arguments
    return share.of


# What is added to what --------------------------------------------------------------------------------


def test_a_credit_adds_to_its_requesters_and_its_customers_day() -> None:
    added = shares_of(OURS, "payments", "issue_credit", CREDIT, requester="rita", automation="refund", at=FRIDAY_NOON)

    assert added == (
        Share(total="credits_of_requester_today", of='{"day": "2026-11-20", "requester": "rita"}', amount=999),
        Share(total="credits_of_customer_today", of='{"customer": "c-7", "day": "2026-11-20"}', amount=999),
    )


@pytest.mark.parametrize(("server", "tool"), [("payments", "reverse_credit"), ("bank", "issue_credit")])
def test_another_tool_adds_nothing_whatever_its_arguments(server: str, tool: str) -> None:
    assert shares_of(OURS, server, tool, {}, requester="rita", automation="refund", at=FRIDAY_NOON) == ()


def test_a_file_without_totals_adds_nothing() -> None:
    assert shares("") == ()


def test_a_total_is_kept_apart_by_everything_in_per_and_by_nothing_else() -> None:
    assert whom(total(), requester="rita") != whom(total(), requester="rolf")
    assert whom(total(), automation="refund") == whom(total(), automation="errand")
    by_automation = total(per='["automation"]')
    assert whom(by_automation, requester="rita") == whom(by_automation, requester="rolf")
    assert whom(by_automation, automation="refund") != whom(by_automation, automation="errand")


def test_the_order_of_per_does_not_begin_a_total_anew() -> None:
    assert whom(total(per='["requester", "day"]')) == whom(total(per='["day", "requester"]'))


def test_two_keys_never_run_into_one() -> None:
    text = total('one = "/a"\nother = "/b"', per='["one", "other"]')

    assert whom(text, {"cents": 1, "a": 'x", "other": "y', "b": "z"}) != whom(
        text, {"cents": 1, "a": "x", "b": 'y", "other": "z'}
    )


def test_amounts_and_keys_may_stand_deep_within_the_arguments() -> None:
    text = total('payer = "/order/payers/0"', amount='"/order/cents"', per='["payer"]')

    (share,) = shares(text, {"order": {"cents": 5, "payers": ["C-7", "C-8"]}})

    assert (share.amount, share.of) == (5, '{"payer": "c-7"}')


@pytest.mark.parametrize("spelled", ["c-7", " C-7", "C-7\n", "\uff23-7"])  # the last: full-width C
def test_the_same_customer_in_another_spelling_opens_no_new_total(spelled: str) -> None:
    text = total('customer = "/customer_id"', per='["customer"]')

    assert whom(text, CREDIT | {"customer_id": spelled}) == whom(text, CREDIT)


def test_a_customer_number_counts_the_same_as_text_and_as_a_number() -> None:
    text = total('customer = "/customer_id"', per='["customer"]')

    assert whom(text, CREDIT | {"customer_id": 7}) == whom(text, CREDIT | {"customer_id": "7"})


# Days -------------------------------------------------------------------------------------------------

BERLIN = total('time_zone = "Europe/Berlin"')


@pytest.mark.parametrize(
    ("hour", "minute", "text", "day"),
    [
        (22, 59, total(), "2026-11-20"),
        (23, 59, total(), "2026-11-20"),
        (22, 59, BERLIN, "2026-11-20"),
        (23, 0, BERLIN, "2026-11-21"),
    ],
)
def test_a_day_is_a_date_in_utc_or_where_the_total_says(hour: int, minute: int, text: str, day: str) -> None:
    at = datetime(2026, 11, 20, hour, minute, tzinfo=UTC)

    assert f'"day": "{day}"' in whom(text, at=at)


def test_without_a_day_a_total_never_begins_anew() -> None:
    for_good = total(per='["requester"]')

    assert whom(for_good) == whom(for_good, at=datetime(2036, 1, 1, tzinfo=UTC))


# What cannot be totalled --------------------------------------------------------------------------------


@pytest.mark.parametrize("amount", [None, "999", 9.99, 999.0, True, -1, LARGEST_AMOUNT + 1, [999], {"cents": 999}])
def test_an_amount_that_is_no_whole_number_cannot_be_totalled(amount: JsonValue) -> None:
    with pytest.raises(CannotTotal, match="issue_credit needs an amount at /cents to be counted in credits: a whole"):
        shares(total(), CREDIT | {"cents": amount})


def test_a_missing_amount_is_not_zero() -> None:
    with pytest.raises(CannotTotal, match="an amount at /cents"):
        shares(total(), {"order_id": "A-17"})


@pytest.mark.parametrize("amount", [0, LARGEST_AMOUNT])
def test_every_whole_number_from_zero_on_can_be_totalled(amount: int) -> None:
    assert shares(total(), CREDIT | {"cents": amount})[0].amount == amount


@pytest.mark.parametrize("customer", [None, "", " \n", True, 7.0, ["C-7"], {"id": "C-7"}])
def test_a_customer_who_is_not_named_cannot_be_totalled(customer: JsonValue) -> None:
    with pytest.raises(CannotTotal, match="issue_credit needs the customer at /customer_id to be counted in credits"):
        shares(total('customer = "/customer_id"', per='["customer"]'), CREDIT | {"customer_id": customer})


def test_a_missing_customer_is_not_a_customer_of_all() -> None:
    with pytest.raises(CannotTotal, match="the customer at /customer_id"):
        shares(total('customer = "/customer_id"', per='["customer"]'), {"cents": 999})


def test_what_cannot_be_totalled_is_not_quoted() -> None:
    with pytest.raises(CannotTotal) as refusal:
        shares(total(), CREDIT | {"cents": "a secret"})

    assert "secret" not in str(refusal.value)


# What is wrong with the file ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[totals", "cannot be read as TOML: Expected"),
        (total() + total(), "cannot be read as TOML: Cannot declare ('totals', 'credits') twice"),
        ("[tools.credits]", "only tables named [totals.NAME] belong here; found 'tools'"),
        ("totals = 1", "totals must be tables; write [totals.NAME]"),
        ("totals.credits = 1", "totals.credits must be a table; write [totals.credits]"),
        (total().replace("credits]", "Credits]"), 'totals.Credits must be small letters, digits and "_"'),
        (total().replace("credits]", '"1st"]'), 'totals.1st must be small letters, digits and "_"'),
        (total(tool=""), "totals.credits.tool is missing; add it"),
        (total(tool='"issue_credit"'), 'totals.credits.tool must name a tool as "server.tool"; write for example'),
        (total(tool="1"), "totals.credits.tool is 1: Input should be a valid string; correct it"),
        (total(amount=""), "totals.credits.amount is missing; add it"),
        (total(amount='"cents"'), "totals.credits.amount must be a JSON pointer to an argument; write for example"),
        (total(amount='""'), "totals.credits.amount must be a JSON pointer to an argument"),
        (total(per=""), "totals.credits.per is missing; add it"),
        (total(per="[]"), "totals.credits.per must be a list of one name or more; write for example"),
        (total(per='"day"'), "totals.credits.per must be a list of one name or more"),
        (total(per='["Day"]'), 'totals.credits.per.0 must be small letters, digits and "_"'),
        (total(per='["day", "day"]'), "totals.credits.per names something twice; name it once"),
        (total(per='["customer"]'), "totals.credits.per names 'customer', and nothing says where it stands; add"),
        (total('customer = "id"', per='["customer"]'), "totals.credits.customer must be a JSON pointer"),
        (total("customer = 7", per='["customer"]'), "totals.credits.customer is 7: Input should be a valid string"),
        (total('day = "/day"'), "totals.credits.day is known to the gate and no argument; remove it"),
        (total('time_zon = "Europe/Berlin"'), "totals.credits.time_zon is neither one of tool, amount, per, time_zone"),
        (total('time_zone = "Europe/Atlantis"'), "totals.credits.time_zone must be a time zone this machine knows"),
        (total('time_zone = "../etc/passwd"'), "totals.credits.time_zone must be a time zone this machine knows"),
        (
            total('time_zone = "Europe/Berlin"', per='["requester"]'),
            "totals.credits.time_zone means nothing without a day; add",
        ),
        (total(tool="1", amount="1"), "totals.credits.tool is 1: Input should be a valid string; correct it (and 1"),
    ],
)
def test_an_unusable_file_is_refused_naming_the_place_and_the_way_out(text: str, sentence: str) -> None:
    with pytest.raises(TotalsUnusable) as refusal:
        load_totals(text, "policies/totals.toml")

    assert str(refusal.value).startswith(f"policies/totals.toml: {sentence}")
