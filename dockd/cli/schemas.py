"""The JSON Schema of what each verb prints with --json; the files in `schemas/` beside this module are their printed form.

python -m dockd.cli.schemas     prints them anew after a change
"""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

from dockd.web.openapi import schemas

FOLDER = Path(__file__).with_name("schemas")

DOCUMENTS = {
    "bays": "dockd.cli.bays.BaysDocument",
    "bays-learn": "dockd.cli.documents.LearnedDocument",
    "bays-probe": "dockd.cli.documents.ProbedDocument",
    "cameras": "dockd.web.lists.CamerasView",
    "cameras-import": "dockd.cli.documents.ImportDocument",
    "checkout": "dockd.web.lists.CheckoutView",
    "config-accept": "dockd.cli.documents.AcceptDocument",
    "config-check": "dockd.cli.documents.ConfigCheckDocument",
    "config-diff": "dockd.cli.documents.ConfigDiffDocument",
    "config-reload": "dockd.web.view.ConfigurationView",
    "enroll": "dockd.cli.acts.ActDocument",
    "hold": "dockd.cli.acts.ActDocument",
    "hold-list": "dockd.web.lists.HoldsView",
    "journal-backup": "dockd.cli.journal.BackupDocument",
    "journal-rebuild": "dockd.cli.documents.RebuiltDocument",
    "lamps-test": "dockd.web.lists.LampsView",
    "log": "dockd.cli.log.LogLine",
    "mark": "dockd.web.view.RecordingView",
    "queue": "dockd.cli.queue.QueueDocument",
    "recordings": "dockd.web.view.RecordingsView",
    "refuse": "dockd.cli.acts.ActDocument",
    "release": "dockd.cli.acts.ActDocument",
    "report": "dockd.cli.report.ReportDocument",
    "report-export": "dockd.cli.documents.ExportDocument",
    "report-gaps": "dockd.cli.documents.GapsDocument",
    "report-key": "dockd.cli.documents.KeyDocument",
    "report-quarantine": "dockd.cli.documents.QuarantineDocument",
    "retry": "dockd.cli.retry.RetriedDocument",
    "selftest": "dockd.web.lists.SelftestView",
    "status": "dockd.web.view.StatusView",
    "verify": "dockd.cli.documents.VerifyDocument",
    "version": "dockd.cli.version.VersionDocument",
    "watch": "dockd.web.view.StatusView",
}
"""The struct behind each document, by name; a verb's module is loaded only when its schema is wanted."""


def schema(name: str) -> dict[str, Any]:
    """The JSON Schema of one document."""
    module, _, struct = DOCUMENTS[name].rpartition(".")
    kind = getattr(import_module(module), struct)
    definitions = json.loads(json.dumps(schemas(kind)).replace("#/components/schemas/", "#/$defs/"))
    whole = definitions.pop(kind.__name__)
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"dockd {name} --json"}
    return {**dialect, **whole, **({"$defs": definitions} if definitions else {})}


def printed(name: str) -> str:
    """The schema as it stands in its file."""
    return json.dumps(schema(name), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write every file."""
    FOLDER.mkdir(exist_ok=True)
    for name in DOCUMENTS:
        (FOLDER / f"{name}.schema.json").write_text(printed(name), encoding="utf-8")


if __name__ == "__main__":
    main()
