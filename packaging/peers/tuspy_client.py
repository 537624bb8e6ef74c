"""tuspy as its own documentation uses it: python tuspy_client.py ENDPOINT TOKEN FILE STORE RETRIES CHUNK METADATA."""  # noqa: INP001 - a program

import json
import sys

from tusclient.client import TusClient
from tusclient.exceptions import TusCommunicationError, TusUploadFailed
from tusclient.storage.filestorage import FileStorage

endpoint, token, file, store, retries, chunk, metadata = sys.argv[1:]
try:
    uploader = TusClient(endpoint, headers={"Authorization": f"Bearer {token}"}).uploader(
        file,
        chunk_size=int(chunk),
        metadata=json.loads(metadata),
        upload_checksum=True,
        retries=int(retries),
        retry_delay=1,
        store_url=True,
        url_storage=FileStorage(store),
    )
    uploader.upload()
except (TusUploadFailed, TusCommunicationError) as exc:
    sys.exit(str(exc))
sys.stdout.write(f"{uploader.url}\n")
