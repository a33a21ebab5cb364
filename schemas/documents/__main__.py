"""Write the documents: `python -m schemas.documents`."""

from . import write

write()
