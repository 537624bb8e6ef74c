"""Makes real, playable video with ffmpeg's test sources, and the small files that cameras keep beside it."""

import asyncio
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from dockd.demo.programs import output_of
from dockd.errors import DockError

FRAMES_S = 30
_SIZE = "1280x720"
_NOISE = 20  # grain, as a small sensor at night has it: it keeps the encoder from making the files small


@dataclass(frozen=True, slots=True)
class Clip:
    """One recording to be made.

    Attributes:
        camera: serial; also the name of the camera's folder.
        path: on the camera, without its extension.
        source: one of ffmpeg's test sources.
        frames: how long it is, at FRAMES_S.
        seed: of its noise and its tone, so that no two clips have equal bytes.
    """

    camera: str
    path: str
    source: str
    frames: int
    seed: int

    @property
    def files(self) -> tuple[str, ...]:
        """The recording and its sidecars, relative to the camera's root."""
        return tuple(self.path + extension for extension in (".MP4", ".THM", ".GPX", ".SRT"))


@dataclass(frozen=True, slots=True)
class Recipe:
    """What this machine's ffmpeg can do.

    Attributes:
        encoder: with its options.
        stamped: whether it can burn text into the picture.
    """

    encoder: tuple[str, ...]
    stamped: bool

    @property
    def name(self) -> str:
        """The encoder's name."""
        return self.encoder[0]


_ENCODERS = (("libx264", "-preset", "ultrafast", "-qp", "18", "-pix_fmt", "yuv420p"), ("mpeg4", "-q:v", "2"))


async def find_recipe() -> Recipe:
    """H.264 with a burnt-in time code, or the nearest to it that this ffmpeg can make.

    Raises:
        DockError: it can make none.
    """
    words = ""
    for encoder in _ENCODERS:
        for stamped in (True, False):
            recipe = Recipe(encoder, stamped)
            probe = Clip("probe", "probe", "testsrc2", 1, 0)
            try:
                await output_of(
                    *_inputs(probe),
                    *_picture(probe, recipe),
                    "-map",
                    "[thumb]",
                    "-f",
                    "null",
                    "-",
                    *_video(recipe),
                    "-f",
                    "null",
                    "-",
                )
            except DockError as exc:
                words = exc.message
            else:
                return recipe
    msg = f"ffmpeg makes neither H.264 nor MPEG-4 video here: {words}"
    raise DockError(msg, hint="Run: sudo apt-get install -y --no-install-recommends ffmpeg")


async def make(clips: Iterable[Clip], shelf: Path, recipe: Recipe, made: Callable[[Clip, int], None]) -> None:
    """Make every clip with its sidecars, as many at a time as there are processors, the longest first.

    Args:
        clips: what to make.
        shelf: cameras' folders lie here.
        recipe: how.
        made: told each clip and the size of its recording in bytes.

    Raises:
        DockError: ffmpeg failed, or what it made is not playable.
    """
    waiting = sorted(clips, key=lambda clip: clip.frames)

    async def work() -> None:
        while waiting:
            clip = waiting.pop()
            made(clip, await _make(clip, shelf / clip.camera / clip.path, recipe))

    async with asyncio.TaskGroup() as group:
        for _ in range(os.cpu_count() or 1):
            group.create_task(work())


async def _make(clip: Clip, stem: Path, recipe: Recipe) -> int:
    stem.parent.mkdir(parents=True, exist_ok=True)
    video, thumbnail = stem.with_name(stem.name + ".MP4"), stem.with_name(stem.name + ".THM")
    tone = ("-map", "1:a", "-c:a", "aac", "-b:a", "96k")
    still = ("-map", "[thumb]", "-frames:v", "1", "-f", "image2", "-c:v", "mjpeg", "-pix_fmt", "yuvj420p", thumbnail)
    await output_of(
        *_inputs(clip), *_picture(clip, recipe), *_video(recipe), *tone, "-movflags", "+faststart", "-f", "mp4", video, *still
    )  # fmt: skip
    stem.with_name(stem.name + ".GPX").write_text(_track(clip))
    stem.with_name(stem.name + ".SRT").write_text(_subtitles(clip))
    await _check_playable(video, clip)
    return video.stat().st_size


def _inputs(clip: Clip) -> tuple[str, ...]:
    seconds = clip.frames / FRAMES_S
    return (
        *("ffmpeg", "-v", "error", "-nostdin", "-y", "-filter_threads", "1", "-filter_complex_threads", "1"),
        *("-f", "lavfi", "-i", f"{clip.source}=size={_SIZE}:rate={FRAMES_S}"),
        *("-f", "lavfi", "-i", f"sine=frequency={220 + 10 * clip.seed}:sample_rate=48000:duration={seconds:.3f}"),
    )


def _picture(clip: Clip, recipe: Recipe) -> tuple[str, ...]:
    steps = [f"trim=end_frame={clip.frames}", f"noise=alls={_NOISE}:allf=t:all_seed={clip.seed}"]
    if recipe.stamped:
        words = rf"{clip.camera} {clip.path.rpartition('/')[2]} %{{pts\:hms}}"
        steps.append(f"drawtext=text='{words}':fontsize=36:fontcolor=white:box=1:boxcolor=black@0.6:x=40:y=h-80")
    return ("-filter_complex", f"[0:v]{','.join(steps)},split[video][still];[still]scale=160:90[thumb]")


def _video(recipe: Recipe) -> tuple[str, ...]:
    return ("-map", "[video]", "-c:v", *recipe.encoder, "-threads", "1")


async def _check_playable(video: Path, clip: Clip) -> None:
    """Refuse a file in which ffprobe does not find the picture, the tone and every frame."""
    fields = "stream=codec_type,nb_frames:format=duration"
    told = json.loads(await output_of("ffprobe", "-v", "error", "-show_entries", fields, "-of", "json", video))
    frames = {stream["codec_type"]: int(stream["nb_frames"]) for stream in told["streams"]}
    if frames.get("video") != clip.frames or not frames.get("audio"):
        msg = f"{video} is not playable: ffprobe finds {frames}, where {clip.frames} frames and a tone were to be"
        raise DockError(msg)


def _track(clip: Clip) -> str:
    """A walk through Baltimore, a point each second."""
    points = "\n".join(
        f'<trkpt lat="{39.2904 + 0.00002 * second:.6f}" lon="{-76.6122 - 0.00001 * clip.seed * second:.6f}"/>'
        for second in range(clip.frames // FRAMES_S + 1)
    )
    head = '<?xml version="1.0" encoding="UTF-8"?>\n<gpx version="1.1" creator="demo" xmlns="http://www.topografix.com/GPX/1/1">'
    return f"{head}\n<trk><name>{clip.camera} {clip.path}</name><trkseg>\n{points}\n</trkseg></trk></gpx>\n"


def _subtitles(clip: Clip) -> str:
    """What the camera says of itself, a line each second."""
    seconds = range(clip.frames // FRAMES_S + 1)
    lines = (
        f"{second + 1}\n00:00:{second:02},000 --> 00:00:{second:02},999\n{clip.camera} {clip.path} {second} s\n"
        for second in seconds
    )
    return "\n".join(lines)
