"""Bytes by digest, on the local disk or in an object store, and the pixels of stored frames."""

from adapters.storage.images import StoredImages
from adapters.storage.local import LocalStorage
from adapters.storage.objects import ObjectStorage
from adapters.storage.opening import open_storage

__all__ = ["LocalStorage", "ObjectStorage", "StoredImages", "open_storage"]
