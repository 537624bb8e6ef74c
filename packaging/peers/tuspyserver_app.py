"""tuspyserver as its own documentation mounts it: python tuspyserver_app.py PORT FOLDER."""  # noqa: INP001 - a program for another interpreter

import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI, HTTPException
from fastapi.responses import FileResponse
from tuspyserver import create_tus_router

port, folder = int(sys.argv[1]), Path(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)
app = FastAPI()
app.include_router(create_tus_router(prefix="files", files_dir=str(folder)))


@app.get("/files/{name}")
def download(name: str) -> FileResponse:
    """What was received; the library leaves this to the application."""
    if not (folder / name).is_file():
        raise HTTPException(404)
    return FileResponse(folder / name)


uvicorn.run(app, host="127.0.0.1", port=port)
