"""Every error that semelha raises on purpose. One clear sentence each: what is wrong, and what would be right.

    SemelhaError
    ├── UsageError                   an argument that cannot be right
    │   └── VectorsError             vectors, labels or pairs that nothing can be learned from
    ├── PictureError                 a picture that cannot be used
    │   ├── NotAPicture              the bytes are no picture in a known format
    │   ├── TruncatedPicture         the file ends before the picture does, or is damaged
    │   └── PictureTooLarge          more bytes or pixels than the limits allow
    ├── DatasetError                 a folder or manifest that cannot be read as a data set
    ├── ModelError                   a model folder that cannot be used
    │   ├── ModelIncomplete          a file is missing
    │   ├── ModelAltered             a file is not the one that was written
    │   └── ModelTooNew              written by a newer semelha
    ├── GalleryError                 a gallery that cannot do what was asked
    │   ├── FingerprintMismatch      vectors of two models would meet
    │   │   └── GalleryMoved         another model took the place of the gallery's while it was open
    │   ├── SubjectNotFound          no subject has that name
    │   ├── SubjectExists            a subject has that name already
    │   ├── InvalidName              a name that no subject can have
    │   ├── NumberNotFound           no example, merge, rejection or review has that number
    │   ├── ChangeRefused            the present state of the gallery does not allow a change
    │   ├── GalleryNotWritable       the disk is full, or the gallery can only be read
    │   ├── GalleryUnavailable       the server that keeps the gallery cannot be reached, or does not answer
    │   └── GalleryTooNew            written by a newer semelha
    ├── IndexFileError               a file of an index that cannot be written, or is missing, damaged, stale or foreign
    ├── CalibrationError             the data cannot support the rate that was asked for
    ├── TrainingError                training cannot start or go on
    │   ├── BackboneError            a backbone that cannot be built or exported
    │   ├── PretrainedUnavailable    pretrained weights that cannot be had
    │   └── ProcessLost              another process of a training in several has ended
    ├── ServiceError                 a server did not do what `Client` asked
    │   ├── AccessRefused            the key is missing or not valid, or its role does not suffice
    │   └── ServiceUnavailable       the server cannot be reached, or does not answer at present
    └── MissingExtra                 a part of semelha that is not installed

Where the cause lies in a file or folder, the message names it.
"""

from __future__ import annotations

from semelha.text import shown_lines


class SemelhaError(Exception):
    """Base of every error that semelha raises on purpose. Control characters in its message are written out."""

    def __str__(self) -> str:
        return shown_lines(Exception.__str__(self))  # that of KeyError puts the message in quotes


class UsageError(SemelhaError, ValueError):
    """An argument that cannot be right. A `ValueError` too."""


class VectorsError(UsageError):
    """Vectors, labels or pairs that nothing can be learned from."""


class PictureError(SemelhaError):
    """A picture that cannot be used."""


class NotAPicture(PictureError):
    """The bytes are no picture in a known format."""


class TruncatedPicture(PictureError):
    """The file ends before the picture does, or is damaged."""


class PictureTooLarge(PictureError):
    """More bytes or pixels than the limits allow."""


class DatasetError(SemelhaError):
    """A folder or manifest that cannot be read as a data set."""


class ModelError(SemelhaError):
    """A model folder that cannot be used."""


class ModelIncomplete(ModelError):
    """A file of the model folder is missing."""


class ModelAltered(ModelError):
    """A file of the model folder is not the one that was written."""


class ModelTooNew(ModelError):
    """The model folder was written by a newer semelha."""


class GalleryError(SemelhaError):
    """A gallery that cannot do what was asked."""


class FingerprintMismatch(GalleryError):
    """Vectors of two models would meet."""


class GalleryMoved(FingerprintMismatch):
    """Another model took the place of the gallery's while it was open: open it again."""


class SubjectNotFound(GalleryError, KeyError):
    """No subject has that name. A `KeyError` too."""


class SubjectExists(GalleryError):
    """A subject has that name already."""


class InvalidName(GalleryError, ValueError):
    """A name that no subject can have. A `ValueError` too."""


class NumberNotFound(GalleryError, KeyError):
    """No example, merge, rejection or review has that number. A `KeyError` too."""


class ChangeRefused(GalleryError):
    """The present state of the gallery does not allow a change: the message says what must be done first."""


class GalleryNotWritable(GalleryError):
    """The disk is full, or the gallery can only be read. It still answers."""


class GalleryUnavailable(GalleryError):
    """The server that keeps the gallery cannot be reached, or does not answer.

    Whether a change was made that it interrupted is open; made again, it changes nothing that was made.
    """


class GalleryTooNew(GalleryError):
    """The gallery was written by a newer semelha."""


class IndexFileError(SemelhaError):
    """A file of an index cannot be written, or is missing, damaged, stale or foreign: build the index again."""


class CalibrationError(SemelhaError):
    """The data cannot support the rate that was asked for."""


class TrainingError(SemelhaError):
    """Training cannot start or go on."""


class BackboneError(TrainingError):
    """A backbone that cannot be built or exported."""


class PretrainedUnavailable(TrainingError):
    """Pretrained weights that cannot be had."""


class ProcessLost(TrainingError):
    """Another process of a training in several has ended."""


class ServiceError(SemelhaError):
    """A server did not do what `Client` asked, and no other error says why."""


class AccessRefused(ServiceError):
    """The key is missing or not valid, or its role does not suffice."""


class ServiceUnavailable(ServiceError):
    """The server cannot be reached, or does not answer at present: try again later."""


class MissingExtra(SemelhaError):
    """A part of semelha that is not installed."""
