"""Documents of files: written into the source containers, and kept between two runs of the local stack."""

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azure.core.exceptions import AzureError

from local.sample import Source

# What Cosmos writes into every document.
_SYSTEM = frozenset(("_rid", "_self", "_etag", "_attachments", "_ts", "_lsn"))
_WRITERS = 4


class DocumentsError(Exception):
    """Says what is wrong with a file of documents; quotes nothing of it."""


@dataclass(frozen=True, slots=True)
class Import:
    """A file of documents, and the container that they belong to."""

    container: str
    path: Path

    @classmethod
    def read(cls, text: str, containers: Sequence[str]) -> "Import":
        """Return what FILE, or CONTAINER=FILE, means."""
        name, separator, path = text.partition("=")
        if separator:
            if name not in containers:
                raise DocumentsError(f"{name} is none of the containers: name it with --container, too.")
            return cls(name, Path(path))
        if not containers:
            raise DocumentsError("Say which container the file is for: name it with --container.")
        if len(containers) > 1:
            raise DocumentsError(f"Say which container the file is for, such as --import {containers[0]}={text}.")
        return cls(containers[0], Path(text))


def read_documents(path: Path) -> list[dict[str, Any]]:
    """Return the documents of a file: an array, or one document a line."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DocumentsError(f"{path} cannot be read: {type(error).__name__}.") from None
    try:
        is_array = text.lstrip().startswith("[")
        found = json.loads(text) if is_array else [json.loads(line) for line in text.splitlines() if line.strip()]
    except ValueError:
        raise DocumentsError(f"{path} is no JSON: it must be an array of documents, or one document a line.") from None
    for number, document in enumerate(found, 1):
        if not isinstance(document, dict) or not isinstance(document.get("id"), str):
            raise DocumentsError(f"Item {number} of {path} is no document: it needs an id that is a text.")
    return [{name: value for name, value in document.items() if name not in _SYSTEM} for document in found]


def find_odd_keys(container: str, key: str, documents: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Return a sentence for each path of a partition key that none of the documents has."""
    for path in key.split(",") if documents else ():
        names = path.strip("/").split("/")
        found = {spelled for document in documents if (spelled := _spell(document, names)) is not None}
        if path not in found:
            alike = f"They have {min(found)}" if found else "They all get the same key, which is undefined"
            yield f"No document of {container} has the partition key {path}. {alike}."


def _spell(document: Any, names: Sequence[str]) -> str | None:
    """Return a path as a document spells it, or None if it has none, whatever its capitals are."""
    path = ""
    for name in names:
        there = [each for each in document if each.lower() == name.lower()] if isinstance(document, dict) else []
        if not there:
            return None
        spelled = name if name in there else there[0]
        path, document = f"{path}/{spelled}", document[spelled]
    return path


def write_documents(source: Source, wanted: Import, documents: Sequence[dict[str, Any]]) -> int:
    """Write the documents of a file into its container; return how many."""
    try:
        with ThreadPoolExecutor(_WRITERS) as pool:
            for _ in pool.map(lambda document: source.write(wanted.container, document), documents):
                pass
    except AzureError as error:
        raise DocumentsError(
            f"{wanted.container} refuses a document of {wanted.path}: {type(error).__name__}."
        ) from None
    return len(documents)


class Kept:
    """A folder with the documents of every container, one file each, and with their partition keys."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._keys = folder / "containers.json"

    @property
    def containers(self) -> Mapping[str, str]:
        """Return the containers that were kept, with their partition keys."""
        if not self._keys.exists():
            return {}
        try:
            found = json.loads(self._keys.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise DocumentsError(f"{self._keys} cannot be read: delete the folder to begin anew.") from None
        return {str(name): str(key) for name, key in found.items()}

    @property
    def imports(self) -> Iterator[Import]:
        """Return what was kept."""
        for name in self.containers:
            path = self._folder / f"{name}.json"
            if path.exists():
                yield Import(name, path)

    def save(self, source: Source) -> int:
        """Keep every document that the containers hold now; a file is replaced when it is whole."""
        self._folder.mkdir(parents=True, exist_ok=True)
        count = 0
        for name, container in source.containers.items():
            documents = [
                {name: value for name, value in document.items() if name not in _SYSTEM}
                for document in container.read_all_items()
            ]
            count += len(documents)
            self._replace(self._folder / f"{name}.json", documents)
        self._replace(self._keys, dict(source.partition_keys))
        return count

    def _replace(self, path: Path, value: object) -> None:
        new = path.with_suffix(".part")
        new.write_text(json.dumps(value, indent=1), encoding="utf-8")
        new.replace(path)
