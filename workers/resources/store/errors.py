"""What can stand between a worker and its store; no message ever carries a password."""


class StoreUrlWrong(Exception):
    """The address of the store cannot be understood: correct the configuration."""


class StoreUnreachable(Exception):
    """The store does not answer, is busy for too long, or refuses this account: trying again can help."""

    def __init__(self, place: str, reason: str) -> None:
        self.place, self.reason = place, reason
        super().__init__(
            f"the store ({place}) cannot be used: {reason!r}; "
            "see that it is running and that this account may write to it, then try again"
        )


class StoreMissing(Exception):
    """Only a worker makes a store."""

    def __init__(self, place: str) -> None:
        super().__init__(
            f"there is no store at {place!r}; correct INTERLOCK_STORE, or let `interlock worker` make it first"
        )


class StoreTooNew(Exception):
    """A newer Interlock has migrated the store: run that version, or a newer one."""

    def __init__(self, place: str, found: str, known: str) -> None:
        super().__init__(
            f"the store ({place}) has schema revision {found!r} and this version of Interlock knows up to "
            f"{known!r}; run the version that migrated it, or a newer one"
        )


class StoreOfAnotherMode(Exception):
    """What nobody had to sign in development must never count in production, nor be put there."""

    def __init__(self, place: str, kept: str, wanted: str) -> None:
        super().__init__(
            f"the store ({place}) is that of a {kept} deployment and cannot be one of {wanted}; go on in its mode "
            "(INTERLOCK_MODE, or --mode of `interlock dev`), or with another store (INTERLOCK_STORE, or --folder)"
        )


class ContentDamaged(Exception):
    """The bytes under a content address no longer match it: restore the store from a backup."""

    def __init__(self, address: str) -> None:
        super().__init__(f"the content stored as {address!r} was changed; restore the store from a backup")
