"""PIL and numpy as another opinion on images: makes sources, describes results, and compares pixels. Steps as JSON in argv[1], results as JSON."""
import json
import sys

import numpy as np
from PIL import Image, ImageCms, ImageDraw, ImageOps

Image.MAX_IMAGE_PIXELS = None


def scene(width, height):
    """Four corners of their own colours, and a ramp, so that every turn and mirror shows."""
    image = Image.new('RGB', (width, height), (128, 128, 128))
    draw = ImageDraw.Draw(image)
    w, h = width // 2, height // 2
    for box, colour in (((0, 0, w, h), (200, 40, 40)), ((w, 0, width, h), (40, 180, 40)), ((0, h, w, height), (40, 40, 200)), ((w, h, width, height), (220, 220, 60))):
        draw.rectangle(box, fill=colour)
    draw.rectangle((0, 0, width // 5, height // 9), fill=(255, 255, 255))
    return image


def make(path, kind, width, height, **options):
    image = scene(width, height)
    if kind == 'grey':
        image.convert('L').save(path, 'JPEG', quality=95)
    elif kind == 'cmyk':
        image.convert('CMYK').save(path, 'JPEG', quality=95)
    elif kind == 'alpha':
        image.putalpha(0)
        ImageDraw.Draw(image).rectangle((0, 0, width // 2, height), fill=(200, 40, 40, 255))
        image.save(path, 'PNG')
    elif kind == 'sixteen':
        Image.fromarray(np.linspace(0, 65535, width * height).reshape(height, width).astype(np.uint16)).save(path, 'PNG')
    elif kind == 'palette':
        image.convert('P').save(path, 'PNG')
    elif kind == 'animation':
        frames = [ImageOps.mirror(image) if index % 2 else image for index in range(options['frames'])]
        frames[0].save(path, options['format'], save_all=True, append_images=frames[1:], duration=80, loop=0)
    elif kind == 'pages':
        frames = [image] + [Image.new('RGB', (8, 8), (index % 256, 0, 0)) for index in range(1, options['frames'])]
        frames[0].save(path, 'TIFF', save_all=True, append_images=frames[1:])
    else:
        image.save(path, kind, **({'quality': 95} if kind in ('JPEG', 'WEBP') else {}))


def describe(path):
    with Image.open(path) as image:
        return {
            'format': image.format,
            'width': image.width,
            'height': image.height,
            'mode': image.mode,
            'frames': getattr(image, 'n_frames', 1),
            'icc': 'icc_profile' in image.info,
            'exif': len(image.getexif()),
        }


def pixels(path, size=None, oriented=False, srgb=False, background=None, box=None):
    with Image.open(path) as opened:
        image = opened.copy()
        if srgb:
            image = ImageCms.profileToProfile(image, ImageCms.ImageCmsProfile(__import__('io').BytesIO(opened.info['icc_profile'])), ImageCms.createProfile('sRGB'), renderingIntent=0, outputMode='RGB')
    if oriented:
        image = ImageOps.exif_transpose(image)
    if background is not None:
        under = Image.new('RGBA', image.size, tuple(background))
        image = Image.alpha_composite(under, image.convert('RGBA'))
    image = image.convert('RGB')
    if box is not None:
        image = image.crop(box)
    if size is not None:
        image = image.resize(size, Image.LANCZOS)
    return np.asarray(image, dtype=np.int32)


def differ(path, like, **how):
    """Mean and largest difference of a result from what PIL makes of the source."""
    ours = pixels(path)
    theirs = pixels(like, **how)
    if ours.shape != theirs.shape:
        return {'shape': [list(ours.shape), list(theirs.shape)], 'mean': 1e9, 'max': 1e9}
    difference = np.abs(ours - theirs)
    return {'shape': list(ours.shape), 'mean': float(difference.mean()), 'max': int(difference.max())}


def at(path, points, alpha=False):
    with Image.open(path) as image:
        shaped = image.convert('RGBA' if alpha else 'RGB')
        return [list(shaped.getpixel((x, y))) for x, y in points]


def tensor(path, like, width, height, resize=None, crop=False, mean=(0, 0, 0), std=(1, 1, 1), bgr=False, hwc=False, grey=False, letterbox=None):
    """What torchvision's transforms do to a PIL image (Resize, CenterCrop, ToTensor, Normalize), in PIL and numpy."""
    image = ImageOps.exif_transpose(Image.open(like)).convert('L' if grey else 'RGB')
    w, h = image.size
    if resize is not None:
        size = (resize, int(resize * h / w)) if w <= h else (int(resize * w / h), resize)
        image = image.resize(size, Image.BILINEAR)
        left, top = int(round((size[0] - width) / 2.0)), int(round((size[1] - height) / 2.0))
        image = image.crop((left, top, left + width, top + height))
    elif letterbox is not None:
        image = ImageOps.pad(image, (width, height), Image.BILINEAR, color=tuple(letterbox))
    else:
        image = image.resize((width, height), Image.BILINEAR)
    samples = np.asarray(image, dtype=np.float64).reshape(height, width, -1)
    if bgr:
        samples = samples[:, :, ::-1]
    wanted = (samples / 255 - np.asarray(mean)) / np.asarray(std)
    if not hwc:
        wanted = wanted.transpose(2, 0, 1)
    ours = np.fromfile(path, dtype='<f4').reshape(wanted.shape)
    # In steps of a sample, channel by channel.
    step = (1 / 255) / np.asarray(std if not grey else std[:1]).max()
    difference = np.abs(ours - wanted) / step
    return {'mean': float(difference.mean()), 'p99': float(np.quantile(difference, 0.99))}


actions = {'make': make, 'describe': describe, 'differ': differ, 'at': at, 'tensor': tensor}
print(json.dumps([actions[step.pop('do')](**step) for step in json.loads(sys.argv[1])]))
