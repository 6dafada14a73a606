#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""framemill upscale with video: every frame at its own time, everything else of the file kept, whatever the file holds. Clips are made by the
ffmpeg program. Usage: test_upscale_video.py FRAMEMILL [CASE...] [--times], from the project's root."""
import fractions
import os
import struct
import subprocess
import sys
import zlib

sys.dont_write_bytecode = True
from film_kit import (BAD_INPUT, DONE, FAILED, USAGE, Skip, clip, clips, ffmpeg, framemill, hashes, identity, main, nothing_but, others, probe,
                      refused, run, same_times, size_of, soft, times, up, video_of)

MS = fractions.Fraction(1, 1000)
TREE = os.getcwd()


def film_to_film(folder):
    source = clip(f"{folder}/in.mp4", "-c:a", "aac", frames=30, sound=True)
    report = up(source, f"{folder}/out.mp4")
    assert (report["frames"], report["outcome"], report["warnings"], report["partial"], report["journal"]) == (30, "done", [], "", ""), report
    assert size_of(f"{folder}/out.mp4") == (128, 96) and video_of(f"{folder}/out.mp4")["pix_fmt"] == "yuv420p"
    same_times(source, f"{folder}/out.mp4")
    assert others(source) == others(f"{folder}/out.mp4") != []
    nothing_but(folder, "in.mp4", "out.mp4")


def times_are_kept(folder):
    """Odd rates, variable rates, B-frames, offsets, edit lists, time bases that no frame rate divides."""
    x264 = ("-c:v", "libx264", "-preset", "fast")
    makes = {
        "ntsc.mp4": (*x264, "-r", "30000/1001"),
        "vfr.mp4": (*x264, "-vf", "select='not(mod(n,3))+not(mod(n,5))'", "-fps_mode", "vfr", "-video_track_timescale", "90000"),
        "vfr.mkv": (*x264, "-vf", "setpts='PTS+0.7*random(1)/25/TB'", "-fps_mode", "passthrough"),
        "pyramid.mp4": ("-c:v", "libx264", "-bf", "5", "-b_strategy", "2", "-b-pyramid", "normal", "-g", "250"),
        "offset.mp4": (*x264, "-output_ts_offset", "1.234"),
        "offset.mkv": (*x264, "-output_ts_offset", "12.5"),
        "late.ts": (*x264, "-muxdelay", "3"),
        "base.mov": (*x264, "-video_track_timescale", "12345", "-r", "23.976"),
        "old.avi": ("-c:v", "mpeg4", "-bf", "2"),
        "web.webm": ("-c:v", "libvpx-vp9", "-b:v", "100k", "-cpu-used", "8", "-deadline", "realtime"),
    }
    clips(folder, makes, frames=40)
    for name in makes:
        source = f"{folder}/{name}"
        stem, end = os.path.splitext(name)
        a = times(source)
        for to in {end if end not in (".ts", ".avi") else ".mkv", ".mp4"}:
            made = f"{folder}/{stem}.{end[1:]}.out{to}"
            more = ("-e", "cpu-used=8", "-e", "deadline=realtime") if to == ".webm" else ("-e", "preset=ultrafast")
            up(source, made, *more)
            coarse = to in (".mkv", ".webm") and end not in (".mkv", ".webm")  # these know milliseconds only
            b = times(made)
            start = a[0] - b[0] if end == ".ts" else 0  # a broadcast's clock begins anywhere
            assert len(a) == len(b) >= 15 and all(abs(x - y - start) <= (MS / 2 if coarse else 0) for x, y in zip(a, b)), (name, to, a, b)


def edit_lists(folder):
    whole = clip(f"{folder}/whole.mp4", "-c:v", "libx264", "-bf", "2", "-g", "10", "-c:a", "aac", frames=50, sound=True)
    ffmpeg("-ss", "0.5", "-i", whole, "-c", "copy", f"{folder}/cut.mp4")  # begins at the key frame before, which an edit list hides
    up(f"{folder}/cut.mp4", f"{folder}/out.mp4")
    same_times(f"{folder}/cut.mp4", f"{folder}/out.mp4")
    assert others(f"{folder}/cut.mp4", False) == others(f"{folder}/out.mp4", False)


def all_streams(folder):
    """Two sounds, one of them 5.1, subtitles, chapters, an attachment, metadata, languages."""
    with open(f"{folder}/a.srt", "w") as file:
        file.write("1\n00:00:00,100 --> 00:00:00,600\nHello\n\n2\n00:00:00,700 --> 00:00:01,500\nGood bye\n")
    with open(f"{folder}/meta.txt", "w") as file:
        file.write(";FFMETADATA1\ntitle=The Film\nartist=Somebody\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=900\ntitle=One\n"
                   "[CHAPTER]\nTIMEBASE=1/1000\nSTART=900\nEND=2000\ntitle=Two\n")
    open(f"{folder}/font.ttf", "wb").write(b"not really a font")
    source = f"{folder}/in.mkv"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=2", "-f", "lavfi", "-i", "sine=300:d=2", "-f", "lavfi", "-i",
           "anoisesrc=d=2:a=0.1,aformat=channel_layouts=5.1", "-i", f"{folder}/a.srt", "-i", f"{folder}/meta.txt", "-map", "0", "-map", "1",
           "-map", "2",
           "-map", "3", "-map_metadata", "4", "-map_chapters", "4", "-c:v", "libx264", "-c:a:0", "aac", "-c:a:1", "ac3", "-c:s", "srt",
           "-metadata:s:a:0", "language=eng",
           "-metadata:s:a:1", "language=deu", "-metadata:s:a:1", "title=Surround", "-metadata:s:s:0", "language=fra", "-attach",
           f"{folder}/font.ttf",
           "-metadata:s:t", "mimetype=application/x-truetype-font", "-disposition:a:1", "default+comment", source)

    def facts(path):
        p = probe(path, "-show_streams", "-show_chapters", "-show_format")
        streams = [(s["codec_type"], s["codec_name"] if s["codec_type"] != "video" else "", s.get("channels"), s.get("channel_layout"),
                    s.get("disposition"),
                    {k: v for k, v in s.get("tags", {}).items() if k in ("language", "title", "filename", "mimetype")}) for s in p["streams"]]
        chapters = [(c["start_time"], c["end_time"], c["tags"]) for c in p["chapters"]]
        return streams, chapters, {k: v for k, v in p["format"]["tags"].items() if k.lower() not in ("encoder", "creation_time")}

    up(source, f"{folder}/out.mkv")
    assert facts(source) == facts(f"{folder}/out.mkv"), (facts(source), facts(f"{folder}/out.mkv"))
    assert others(source) == others(f"{folder}/out.mkv")
    ffmpeg("-dump_attachment:t:0", f"{folder}/back.ttf", "-i", f"{folder}/out.mkv", "-map", "0:v", "-frames:v", "1", "-f", "null", "-")
    assert open(f"{folder}/back.ttf", "rb").read() == b"not really a font"
    report = up(source, f"{folder}/out.mp4")  # text subtitles have a form in MP4, attachments have none
    streams = probe(f"{folder}/out.mp4", "-show_streams", "-show_chapters")
    codecs = [s["codec_name"] for s in streams["streams"] if s["codec_type"] in ("audio", "subtitle")]
    assert codecs == ["aac", "ac3", "mov_text"], codecs
    assert [c["tags"]["title"] for c in streams["chapters"]] == ["One", "Two"]
    assert any("font.ttf" in line or "ttachment" in line for line in report["warnings"]), report["warnings"]


def policies(folder):
    """Bitmap subtitles have no place in MP4."""
    ffmpeg("-f", "lavfi", "-i", "color=red:s=720x576:r=25:d=1", "-f", "lavfi", "-i", "sine=300:d=1", "-c:v", "libx264", "-preset", "ultrafast",
           "-c:a", "aac", f"{folder}/av.mkv")
    source = f"{folder}/in.mkv"
    try:
        open(f"{folder}/sub.sup", "wb").write(pgs())
        ffmpeg("-i", f"{folder}/av.mkv", "-f", "sup", "-i", f"{folder}/sub.sup", "-map", "0", "-map", "1", "-c", "copy", source)
    except AssertionError as fault:
        raise Skip(f"no bitmap subtitles to be had: {fault}")
    small = ("-W", "180", "-e", "preset=ultrafast")
    report = up(source, f"{folder}/a.mp4", *small)
    assert any("subtitle" in line for line in report["warnings"]) and len(probe(f"{folder}/a.mp4", "-show_streams")["streams"]) == 2, report
    report = up(source, f"{folder}/b.mp4", "--streams", "drop", *small)
    assert any("subtitle" in line for line in report["warnings"])
    for policy in ("keep", "refuse"):
        refused(FAILED, "subtitle", source, f"{folder}/c.mp4", "--streams", policy, *small)
    refused(USAGE, "perhaps", source, f"{folder}/c.mp4", "--streams", "perhaps", *small)
    up(source, f"{folder}/d.mkv", "--streams", "refuse", *small)
    assert others(source) == others(f"{folder}/d.mkv")
    nothing_but(folder, "a.mp4", "av.mkv", "b.mp4", "d.mkv", "in.mkv", "sub.sup")


def pgs():
    """One picture of 8x2 pixels, shown at 0.2 s and taken away at 0.6 s, as a Blu-ray has it."""
    def segment(at, kind, data):
        return b"PG" + struct.pack(">IIBH", at * 90, 0, kind, len(data)) + data

    pixels = (b"\1" * 8 + b"\0\0") * 2
    shown = struct.pack(">HHBHBBBB", 720, 576, 16, 1, 0x80, 0, 0, 1) + struct.pack(">HBBHH", 0, 0, 0, 100, 500)
    window = struct.pack(">BBHHHH", 1, 0, 100, 500, 8, 2)
    picture = struct.pack(">HBB", 0, 0, 0xC0) + (len(pixels) + 4).to_bytes(3, "big") + struct.pack(">HH", 8, 2) + pixels
    gone = struct.pack(">HHBHBBBB", 720, 576, 16, 2, 0, 0, 0, 0)
    return b"".join((segment(200, 0x16, shown), segment(200, 0x17, window), segment(200, 0x14, bytes((0, 0, 1, 200, 128, 128, 255))),
                     segment(200, 0x15, picture),
                     segment(200, 0x80, b""), segment(600, 0x16, gone), segment(600, 0x17, window), segment(600, 0x80, b"")))


def tags_are_kept(folder):
    """Colours as they are labelled, rotation, shape of pixels, HDR."""
    colour = ("color_range", "color_space", "color_transfer", "color_primaries", "chroma_location", "sample_aspect_ratio")
    labels = {
        "hd": ("-colorspace", "bt709", "-color_trc", "bt709", "-color_primaries", "bt709", "-color_range", "tv"),
        "sd": ("-colorspace", "smpte170m", "-color_trc", "smpte170m", "-color_primaries", "smpte170m", "-vf", "setsar=8/9"),
        "full": ("-colorspace", "bt470bg", "-color_trc", "gamma28", "-color_primaries", "bt470bg", "-color_range", "pc", "-vf",
                 "scale=out_range=full,format=yuvj420p"),
    }
    for name, options in labels.items():
        source = clip(f"{folder}/{name}.mp4", *options)
        up(source, f"{folder}/{name}.out.mp4")
        a, b = video_of(source), video_of(f"{folder}/{name}.out.mp4")
        assert {k: a.get(k) for k in colour} == {k: b.get(k) for k in colour}, (name, a, b)
    clip(f"{folder}/plain.mp4")
    ffmpeg("-i", f"{folder}/plain.mp4", "-c", "copy", "-metadata:s:v", "rotate=90", f"{folder}/turned.mp4")
    up(f"{folder}/turned.mp4", f"{folder}/turned.out.mp4")
    a, b = (video_of(f"{folder}/{name}.mp4")["side_data_list"][0]["rotation"] for name in ("turned", "turned.out"))
    assert a == b and abs(a) == 90 and size_of(f"{folder}/turned.out.mp4") == (128, 96)
    master = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
    source = clip(f"{folder}/hdr.mkv", "-c:v", "libx265", "-pix_fmt", "yuv420p10le", "-x265-params",
                  f"log-level=none:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:master-display={master}:max-cll=1000,400:hdr10=1")

    def hdr(path):
        frame = probe(path, "-select_streams", "v:0", "-show_frames", "-read_intervals", "%+#1")["frames"][0]
        sides = [{k: fractions.Fraction(v) if isinstance(v, str) else v for k, v in s.items() if k != "side_data_type"}
                 for s in frame["side_data_list"]
                 if s["side_data_type"] in ("Mastering display metadata", "Content light level metadata")]
        return frame["color_transfer"], frame["color_primaries"], frame["color_space"], frame["pix_fmt"], sides

    up(source, f"{folder}/x265.mkv", "-c", "libx265")
    assert hdr(source) == hdr(f"{folder}/x265.mkv") and len(hdr(source)[4]) == 2, (hdr(source), hdr(f"{folder}/x265.mkv"))
    up(source, f"{folder}/x264.mkv", "-c", "libx264")  # not every FFmpeg reads them from H.264: they are in the container, too
    sides = {s["side_data_type"]: s for s in video_of(f"{folder}/x264.mkv")["side_data_list"]}
    assert sides["Content light level metadata"]["max_content"] == 1000 and sides["Mastering display metadata"]["max_luminance"] == "1000/1", sides


def pixel_formats(folder):
    """Each as it is, through a lossless encoder; shapes and depths stay."""
    formats = {"ffv1": ("yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p10le", "yuv420p12le", "yuv444p16le", "gray",
                        "gray10le", "gray16le",
                        "gbrp10le", "gbrp12le", "gbrp16le", "yuva420p", "yuva444p", "yuva422p10le"),
               "utvideo": ("gbrp", "gbrap"), "png": ("rgb24", "rgba", "rgb48be", "gray")}
    clips(folder, {f"{codec}_{name}.mkv": ("-c:v", codec, "-pix_fmt", name) for codec, names in formats.items() for name in names}, size="34x26",
          frames=3)
    for codec, names in formats.items():
        for name in names:
            report = up(f"{folder}/{codec}_{name}.mkv", f"{folder}/out.mkv", "-c", "ffv1", "--overwrite")
            want = {"rgb24": "gbrp", "rgba": "gbrap", "rgb48be": "gbrp16le"}.get(name, name)
            got = video_of(f"{folder}/out.mkv")
            same = {"gbrp": ("gbrp", "bgr0", "rgb24"), "gbrap": ("gbrap", "bgra", "rgba", "rgb32")}.get(want, (want,))
            assert got["pix_fmt"] in same and (got["width"], got["height"]) == (68, 52) and report["frames"] == 3, (codec, name, got, report)


def transparency(folder):
    source = clip(f"{folder}/in.webm", "-c:v", "libvpx-vp9", "-pix_fmt", "yuva420p", "-b:v", "100k", "-cpu-used", "8", "-deadline", "realtime",
                  "-vf", "format=yuva420p,geq=lum='lum(X,Y)':cb='cb(X,Y)':cr='cr(X,Y)':a='if(lt(X,32),255,64)'", frames=4)
    report = up(source, f"{folder}/out.mkv", "-c", "ffv1")
    assert report["frames"] == 4
    alpha = ffmpeg("-c:v", "libvpx-vp9", "-i", source, "-frames:v", "1", "-pix_fmt", "yuva420p", "-f", "rawvideo", "-")
    assert len(alpha) == 64 * 48 * 5 // 2
    kept = video_of(f"{folder}/out.mkv")["pix_fmt"] == "yuva420p"
    assert kept or any("ransparen" in line or "alpha" in line for line in report["warnings"]), report
    if kept:
        made = ffmpeg("-i", f"{folder}/out.mkv", "-frames:v", "1", "-pix_fmt", "yuva420p", "-f", "rawvideo", "-")[-128 * 96:]
        assert made[40 * 128 + 20] == 255 and abs(made[40 * 128 + 100] - 64) <= 2, (made[40 * 128 + 20], made[40 * 128 + 100])


def identity_changes_nothing(folder):
    """A network that gives back what it gets, and an encoder that loses nothing: every sample is what it was."""
    luma, colour = identity(f"{folder}/luma.onnx"), identity(f"{folder}/colour.onnx", 3)
    names = ("yuv420p", "yuv422p", "yuv444p", "yuvj420p", "gray", "yuv420p10le", "yuv422p10le", "yuv444p10le", "gray10le", "yuv444p12le")
    coded = {"gbrp": ("bgr0",), "gbrp10le": ("gbrp10le",), "yuvj420p": ("yuv420p", "-color_range", "pc")}
    clips(folder, {f"{name}.mkv": ("-vf", f"format={name},noise=alls=100:allf=t", "-c:v", "ffv1", "-pix_fmt", *coded.get(name, (name,)))
                   for name in (*names, "gbrp", "gbrp10le")}, size="50x38", frames=3)
    for name in names:
        source = f"{folder}/{name}.mkv"
        report = up(source, f"{folder}/out.mkv", "-m", luma, "-c", "ffv1", "--overwrite", "--no-reuse")
        assert report["model"] == "luma" and hashes(source) == hashes(f"{folder}/out.mkv"), (name, report["how"])
    for name in ("gbrp", "gbrp10le"):
        source = f"{folder}/{name}.mkv"
        report = up(source, f"{folder}/out.mkv", "-m", colour, "-c", "ffv1", "--overwrite")
        assert report["model"] == "colour" and hashes(source, name) == hashes(f"{folder}/out.mkv", name), name


def networks_of_other_colours(folder):
    """A network for R, G, B on YUV, one for luma on R, G, B; plain pictures stay plain."""
    colour, luma = soft(f"{folder}/colour.onnx", 3), soft(f"{folder}/luma.onnx")
    for pixels, network in (("yuv420p", colour), ("yuv444p10le", colour), ("gbrp10le", luma), ("gbrp10le", colour), ("gray", colour),
                            ("gray", luma)):
        source = f"{folder}/in.mkv"
        ffmpeg("-f", "lavfi", "-i", "color=0x6496c8:s=40x30:r=25:d=0.12", "-c:v", "ffv1", "-pix_fmt", pixels, source)
        report = up(source, f"{folder}/out.mkv", "-m", network, "-c", "ffv1", "--overwrite")
        assert report["model"] == os.path.basename(network)[:-5] and size_of(f"{folder}/out.mkv") == (80, 60), (pixels, report)
        before, after = (ffmpeg("-i", path, "-frames:v", "1", "-vf", "crop=2:2:16:16", "-pix_fmt", "gbrp16le", "-f", "rawvideo", "-")
                         for path in (source, f"{folder}/out.mkv"))
        for a, b in zip(struct.unpack("<12H", before), struct.unpack("<12H", after)):
            assert abs(a - b) <= 600, (pixels, network, before, after)  # two and a half steps of 8 bits: YUV rounds


def plugins(folder):
    plugin = next((os.path.join(place, name) for place in (os.path.join(os.path.dirname(sys.argv[1]), "examples"),) if os.path.isdir(place)
                   for name in os.listdir(place) if name.startswith("plugin_sharpen") and name.endswith(".so")), None)
    if not plugin:
        raise Skip("the example plug-in is not built")
    source = clip(f"{folder}/in.mp4", frames=5)
    plain, sharp = up(source, "--benchmark", "--hash"), up(source, "--benchmark", "--hash", "--plugin", f"{plugin}:amount=2")
    assert plain["hash"] != sharp["hash"]
    assert sharp["hash"] == up(source, "--benchmark", "--hash", "--plugin", f"{plugin}:amount=2", "--no-reuse", "-t", "16", "-j", "1")["hash"]


def sizes(folder):
    for size, frames in (("17x13", 3), ("2x2", 2), ("1x1", 1), ("161x91", 2), ("4096x64", 2)):
        pixels = "yuv420p" if size in ("2x2", "4096x64") else "yuv444p"
        width, height = map(int, size.split("x"))
        source = clip(f"{folder}/{size}.mkv", "-vf", f"format={pixels},crop={width}:{height}:exact=1", "-c:v", "ffv1",
                      size=f"{width + 15}x{height + 15}", frames=frames)
        assert size_of(source) == (width, height)
        report = up(source, f"{folder}/out.mkv", "-c", "ffv1", "--overwrite", "-m", soft(f"{folder}/soft.onnx"))
        assert report["frames"] == frames and size_of(f"{folder}/out.mkv") == (2 * width, 2 * height), (size, report)
    source = clip(f"{folder}/odd.mkv", "-vf", "format=yuv420p,crop=17:13:exact=1", "-c:v", "ffv1", frames=3)
    report = up(source, f"{folder}/odd.mp4")
    assert size_of(f"{folder}/odd.mp4") == (34, 26) and report["frames"] == 3
    report = up(source, f"{folder}/three.mp4", "-s", "3")
    assert size_of(f"{folder}/three.mp4") == (52, 40) and "51x39" in report["errors"], report["errors"]
    source = clip(f"{folder}/in.mp4", size="64x36", frames=3)
    for options, want in ((("-s", "1.5"), (96, 54)), (("-s", "3"), (192, 108)), (("-W", "100"), (100, 56)), (("-H", "90"), (160, 90)),
                          (("-W", "50", "-H", "50"), (50, 50)), (("-s", "0.5"), (32, 18)), (("-s", "1"), (64, 36)),
                          (("--crop", "32x20+8+4"), (64, 40)),
                          (("--crop", "32x20+8+4", "-W", "33"), (34, 22)), (("--compare", "side"), (256, 72)),
                          (("--compare", "split"), (128, 72))):
        up(source, f"{folder}/sized.mp4", *options, "--overwrite")
        assert size_of(f"{folder}/sized.mp4") == want, (options, size_of(f"{folder}/sized.mp4"))
    for crop in ("100x10+0+0", "10x10+60+0", "10x10+1+0", "10x10", "0x0+0+0", "a"):
        refused(USAGE, "crop", source, f"{folder}/no.mp4", "--crop", crop)


def pieces(folder):
    """--start and --duration give the frames that lie in the piece, from 0 on; cropping gives those pixels."""
    network = identity(f"{folder}/same.onnx")
    source = clip(f"{folder}/in.mkv", "-c:v", "ffv1", "-g", "5", "-c:a", "flac", frames=50, sound=True)
    every = hashes(source)
    for start, duration, first, last in ((0.4, 0.6, 10, 25), (0, 0.4, 0, 10), (1, 0, 25, 50), (0.41, 0.1, 11, 13)):
        options = (("--start", start) if start else ()) + (("--duration", duration) if duration else ())
        up(source, f"{folder}/out.mkv", "-m", network, "-c", "ffv1", "--overwrite", *options)
        assert hashes(f"{folder}/out.mkv") == every[first:last], (start, duration, len(hashes(f"{folder}/out.mkv")))
        assert times(f"{folder}/out.mkv")[0] == fractions.Fraction(first, 25) - fractions.Fraction(str(start))
        sound = times(f"{folder}/out.mkv", "a:0")
        end = duration or 2 - start
        assert 0 <= sound[0] < 0.2 and end - 0.2 < sound[-1] < end, (sound[0], sound[-1], end)
    refused(USAGE, "begins", source, f"{folder}/no.mkv", "--start", "7")
    up(source, f"{folder}/crop.mkv", "-m", network, "-c", "ffv1", "--crop", "32x20+8+4")
    assert hashes(f"{folder}/crop.mkv") == hashes(source, None, "-vf", "crop=32:20:8:4")


def side_by_side(folder):
    source = clip(f"{folder}/in.mkv", "-c:v", "ffv1", frames=2)
    network = soft(f"{folder}/soft.onnx")
    up(source, f"{folder}/plain.mkv", "-c", "ffv1")
    up(source, f"{folder}/made.mkv", "-c", "ffv1", "-m", network)
    up(source, f"{folder}/side.mkv", "-c", "ffv1", "-m", network, "--compare", "side")
    up(source, f"{folder}/split.mkv", "-c", "ffv1", "-m", network, "--compare", "split")
    assert hashes(f"{folder}/side.mkv", None, "-vf", "crop=128:96:0:0") == hashes(f"{folder}/plain.mkv")
    assert hashes(f"{folder}/side.mkv", None, "-vf", "crop=128:96:128:0") == hashes(f"{folder}/made.mkv")
    assert hashes(f"{folder}/split.mkv", None, "-vf", "crop=60:96:0:0") == hashes(f"{folder}/plain.mkv", None, "-vf", "crop=60:96:0:0")
    assert hashes(f"{folder}/split.mkv", None, "-vf", "crop=64:96:64:0") == hashes(f"{folder}/made.mkv", None, "-vf", "crop=64:96:64:0")
    line = ffmpeg("-i", f"{folder}/split.mkv", "-frames:v", "1", "-vf", "crop=2:96:62:0", "-pix_fmt", "yuv420p", "-f", "rawvideo", "-")
    assert line[:192] == bytes((235,)) * 192


def pictures_as_video(folder):
    os.mkdir(f"{folder}/shots")
    clip(f"{folder}/shots/shot%02d.png", "-start_number", "0", frames=12)
    network = identity(f"{folder}/same.onnx", 3)
    report = up(f"{folder}/shots", f"{folder}/film.mkv", "--sequence", "-m", network, "-c", "ffv1", "--rate", "10")
    assert report["frames"] == 12 and times(f"{folder}/film.mkv") == [fractions.Fraction(i, 10) for i in range(12)]
    want = [hashes(f"{folder}/shots/shot{i:02d}.png", "gbrp")[0] for i in range(12)]
    assert hashes(f"{folder}/film.mkv", "gbrp") == want
    report = up(f"{folder}/shots/shot%02d.png", f"{folder}/out%03d.png", "-m", network)
    assert report["frames"] == 12
    names = sorted(name for name in os.listdir(folder) if name.startswith("out"))
    assert names == [f"out{i:03d}.png" for i in range(1, 13)], names
    assert [hashes(f"{folder}/{name}", "gbrp")[0] for name in names] == want
    refused(USAGE, "exist", f"{folder}/film.mkv", f"{folder}/out%03d.png")
    up(f"{folder}/film.mkv", f"{folder}/out%03d.png", "--overwrite")
    assert size_of(f"{folder}/out001.png") == (128, 96)
    up(f"{folder}/shots", f"{folder}/film.mp4", "--sequence")
    assert video_of(f"{folder}/film.mp4")["pix_fmt"] in ("yuv444p", "yuv420p", "gbrp")
    os.mkdir(f"{folder}/empty")
    refused(BAD_INPUT, "empty", f"{folder}/empty", f"{folder}/no.mp4", "--sequence")


def pipes(folder):
    """Y4M in and out, as other programs have it."""
    network = identity(f"{folder}/same.onnx")
    for pixels in ("yuv420p", "yuv444p", "yuv420p10le", "gray"):
        source = clip(f"{folder}/{pixels}.mkv", "-c:v", "ffv1", "-pix_fmt", pixels, frames=9)
        y4m = ffmpeg("-i", source, "-strict", "-1", "-f", "yuv4mpegpipe", "-")
        code, out, errors = run("-", "-", "-m", network, data=y4m, text=False)
        assert code == DONE and out[:9] == b"YUV4MPEG2" and "9 frames" in errors, (pixels, code, errors)
        open(f"{folder}/out.y4m", "wb").write(out)
        assert hashes(f"{folder}/out.y4m") == hashes(source), pixels
    code, out, errors = run("-", f"{folder}/out.mp4", "-m", network, data=y4m)
    assert code == DONE, errors
    same_times(source, f"{folder}/out.mp4")
    assert not [name for name in os.listdir(folder) if "journal" in name or "partial" in name]
    source = clip(f"{folder}/in.mkv", "-c:v", "ffv1", "-c:a", "flac", frames=9, sound=True)
    code, out, errors = run("-", f"{folder}/sound.mkv", "-m", network, "-c", "ffv1", data=open(source, "rb").read())
    assert code == DONE and hashes(source) == hashes(f"{folder}/sound.mkv"), errors
    assert others(source, False) == others(f"{folder}/sound.mkv", False)
    refused(USAGE, "standard output", source, "-", "--json")
    up(source, f"{folder}/file.y4m", "-m", network)
    assert hashes(f"{folder}/file.y4m") == hashes(source)
    job = subprocess.Popen([framemill, "upscale", clip(f"{folder}/long.mp4", frames=300), "-", "-m", "lanczos"], stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE)
    assert job.stdout.read(1000)[:9] == b"YUV4MPEG2"
    job.stdout.close()
    errors = job.stderr.read().decode()
    assert job.wait(60) == FAILED and "cannot be written" in errors, (job.returncode, errors)


def sparse_frames(folder):
    """Slides with a lot of sound between them, into a pipe: packets of sound cannot wait for frames without end."""
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=32x32:r=1/20:d=200", "-f", "lavfi", "-i", "sine=300:d=200:samples_per_frame=256", "-c:v", "ffv1",
           "-c:a", "pcm_s16le", f"{folder}/in.mkv")
    report = up("-", f"{folder}/out.mkv", "-c", "ffv1", data=open(f"{folder}/in.mkv", "rb").read())
    assert report["frames"] == 10
    same_times(f"{folder}/in.mkv", f"{folder}/out.mkv")
    assert others(f"{folder}/in.mkv") == others(f"{folder}/out.mkv")


def containers(folder):
    """Whatever the name says, as far as this FFmpeg can write it; sound in a form that the container has."""
    source = clip(f"{folder}/in.mp4", "-c:a", "aac", frames=12, sound=True)
    for end, video, audio in (("avi", "h264", "aac"), ("mov", "h264", "aac"), ("ts", "h264", "aac"), ("m4v", "h264", "aac"),
                              ("flv", "h264", "aac"), ("nut", "h264", "aac"), ("webm", "vp9", "opus"),
                              ("gif", "gif", None), ("apng", "apng", None), ("h264", "h264", None), ("hevc", "hevc", None),
                              ("ogv", "theora", "vorbis"), ("mpg", "h264", "mp2")):
        if end in ("ogv", "webm", "hevc") and f"lib{dict(ogv='theora', webm='vpx', hevc='x265')[end]}" not in ffmpeg("-encoders").decode():
            continue
        report = up(source, f"{folder}/out.{end}")
        streams = probe(f"{folder}/out.{end}", "-show_streams", "-count_frames")["streams"]
        count = int(streams[0]["nb_read_frames"])  # Theora's frames that repeat the one before are empty packets, and are not counted
        assert streams[0]["codec_name"] == video and (count == 12 or end == "ogv" and count > 6), (end, streams[0])
        sound = [s["codec_name"] for s in streams if s["codec_type"] == "audio"]
        assert not audio and not sound and "audio" in report["errors"] or sound in ([audio], ["flac"]), (end, sound, report["errors"])
    left = [name for name in os.listdir(folder) if "journal" in name or "partial" in name or "tmp" in name]
    assert not left, left


def interlaced(folder):
    source = clip(f"{folder}/in.mkv", "-vf", "interlace", "-c:v", "mpeg2video", "-flags", "+ildct+ilme", rate=50, frames=40)
    count = len(times(source))
    report = up(source, f"{folder}/out.mkv", "-c", "ffv1")
    assert report["frames"] == count and video_of(f"{folder}/out.mkv").get("field_order", "progressive") in ("progressive", "unknown")
    same_times(source, f"{folder}/out.mkv", MS)
    refused(BAD_INPUT, "interlaced", source, f"{folder}/no.mkv", "--interlaced", "refuse")
    refused(USAGE, "perhaps", source, f"{folder}/no.mkv", "--interlaced", "perhaps")
    report = up(source, f"{folder}/pass.mkv", "-c", "ffv1", "--interlaced", "pass")
    assert report["frames"] == count and hashes(f"{folder}/pass.mkv") != hashes(f"{folder}/out.mkv")


def bad_inputs(folder):
    out = f"{folder}/out.mp4"
    clip(f"{folder}/whole.mp4", frames=50)
    data = open(f"{folder}/whole.mp4", "rb").read()
    open(f"{folder}/garbage.mp4", "wb").write(zlib.compress(data) * 3)
    open(f"{folder}/empty.mp4", "wb").write(b"")
    ffmpeg("-f", "lavfi", "-i", "sine=300:d=1", f"{folder}/sound.mp4")
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=1", "-frames:v", "0", "-c:v", "libx264", f"{folder}/none.mkv")
    refused(BAD_INPUT, "nobody.mp4", f"{folder}/nobody.mp4", out)
    refused(BAD_INPUT, "garbage.mp4", f"{folder}/garbage.mp4", out)
    refused(BAD_INPUT, "empty.mp4", f"{folder}/empty.mp4", out)
    refused(BAD_INPUT, "no video", f"{folder}/sound.mp4", out)
    refused(BAD_INPUT, "none.mkv", f"{folder}/none.mkv", out)
    open(f"{folder}/cut.mp4", "wb").write(data[:len(data) // 2])  # its index lies at the end
    refused(BAD_INPUT, "cut.mp4", f"{folder}/cut.mp4", out)
    nothing_but(folder, "whole.mp4", "garbage.mp4", "empty.mp4", "sound.mp4", "none.mkv", "cut.mp4")
    clip(f"{folder}/whole.mkv", "-g", "10", "-c:a", "aac", frames=100, sound=True)
    data = open(f"{folder}/whole.mkv", "rb").read()
    open(f"{folder}/cut.mkv", "wb").write(data[:len(data) * 2 // 3])
    report = up(f"{folder}/cut.mkv", out)
    assert 40 < report["frames"] < 100 and len(times(out)) == report["frames"], report
    broken = bytearray(data)
    for i in range(len(data) // 3, len(data) // 3 + 3000):
        broken[i] ^= 0x55
    open(f"{folder}/broken.mkv", "wb").write(broken)
    report = up(f"{folder}/broken.mkv", f"{folder}/mended.mp4")
    assert report["warnings"] and report["frames"] > 60 and len(times(f"{folder}/mended.mp4")) == report["frames"], report


CASES = (film_to_film, times_are_kept, edit_lists, all_streams, policies, tags_are_kept, pixel_formats, transparency, identity_changes_nothing,
         networks_of_other_colours, plugins, sizes, pieces, side_by_side, pictures_as_video, pipes, sparse_frames, containers, interlaced,
         bad_inputs)

main(CASES)
