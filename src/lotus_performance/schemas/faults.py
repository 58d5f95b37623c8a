"""Messages of invalid documents: each with a stable code, and where it stands as a JSON pointer."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

MAX_STEP_LENGTH = 64

Row = Mapping[str, str]


class Message(str):
    """Text of one fault; `code` is stable, `row` identifies the row, `n_faults` faults stand behind it.

    `hint` gives the end of the text. It is asked for when the message is shown: of many faults, few are.
    """

    code: str
    row: Row
    n_faults: int
    hint: Callable[[], str]

    def __new__(
        cls, text: str, code: str, row: Row | None = None, n_faults: int = 1, hint: Callable[[], str] = str
    ) -> "Message":
        """Make a message out of its text."""
        message = super().__new__(cls, text)
        message.code = code
        message.row = row or {}
        message.n_faults = n_faults
        message.hint = hint
        return message

    def __str__(self) -> str:
        return super().__str__() + self.hint()

    def __repr__(self) -> str:
        return repr(str(self))


class PlacedMessage(NamedTuple):
    """A message and the path of the member that it is about."""

    place: tuple[str | int, ...]
    message: Message


def unreported(count: int) -> Message:
    """Return a message that stands for faults beyond the limit: counted, never shown."""
    return Message("", "unreported", n_faults=count)


def placed_messages(messages: Any, place: tuple[str | int, ...] = ()) -> Iterator[PlacedMessage]:
    """Yield every message of marshmallow's nested collection with its place."""
    if isinstance(messages, Mapping):
        for key, value in messages.items():
            yield from placed_messages(value, place if key == "_schema" else (*place, key))
    elif isinstance(messages, list):
        for value in messages:
            yield from placed_messages(value, place)
    elif isinstance(messages, Message):
        yield PlacedMessage(place, messages)
    else:
        yield PlacedMessage(place, Message(str(messages), "invalid"))


class Refusal(NamedTuple):
    """What is told of an invalid document: a sentence, the first of its faults, and how many there are."""

    detail: str
    faults: Sequence[PlacedMessage]
    n_faults: int


def refusal_of(messages: Any, limit: int) -> Refusal:
    """Return what is told of marshmallow's nested collection of messages, at most `limit` of them."""
    total = 0
    shown: list[PlacedMessage] = []
    for placed in placed_messages(messages):
        total += placed.message.n_faults
        if placed.message and len(shown) < limit:
            shown.append(placed)
    noun = "member is" if total == 1 else "members are"
    return Refusal(f"{total} {noun} invalid; nothing was calculated.", shown, total)


def pointer(place: Iterable[str | int]) -> str:
    """Return a path as a JSON pointer (RFC 6901), very long names cut."""
    steps = (str(step)[:MAX_STEP_LENGTH].replace("~", "~0").replace("/", "~1") for step in place)
    return "".join(f"/{step}" for step in steps)
