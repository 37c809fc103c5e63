"""OpenCV's filter2D, for one image and one filter."""

import cv2

from .task import Contender

THREADS = cv2.setNumThreads


def contenders(task):
    layer = task.layer
    one = task.op == "conv" and task.rank == 2 and layer.input[:2] == (1, 1) and layer.weight[0] == 1
    if not one or layer.output[2:] != layer.input[2:]:
        return []
    image, kernel = task.plain["x"][0, 0], task.plain["w"][0, 0]
    call = lambda: cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_CONSTANT)  # noqa: E731
    return [Contender("OpenCV", call, lambda out: out[None, None])]
