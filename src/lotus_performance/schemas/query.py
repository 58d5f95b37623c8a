"""What queries of addresses share: everything is a text, and each name is there once."""

from collections.abc import Mapping
from typing import Any

from marshmallow import pre_load

from lotus_performance.schemas.base import StrictSchema, refuse
from lotus_performance.schemas.fields import Whole


class QuerySchema(StrictSchema):
    """A query, as names and lists of texts."""

    @pre_load
    def read_texts(self, data: Mapping[str, list[str]], **kwargs: Any) -> dict[str, Any]:
        """Read numbers, and refuse what is sent twice."""
        read: dict[str, Any] = {}
        for name, texts in data.items():
            if len(texts) > 1:
                raise refuse([name], f"is there {len(texts)} times; send it once", "conflict")
            (text,) = texts
            is_number = isinstance(self.fields.get(name), Whole) and text.isascii() and text.isdigit() and len(text) < 9
            read[name] = int(text) if is_number else text
        return read
