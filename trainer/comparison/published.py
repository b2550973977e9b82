"""What the published study says of its networks, on its own frames and by its own split.

Qin Zhiyuan, Zhu Junlong, Zhang Chen, Ding Siqi, Cong Rui and Song Wei (Jiangnan University), "Research on
Vein Segmentation Method Based on ResNet34-Unet under Ultrasound Image", 2021. The ACC were checked against
its abstract; the mIoU, which are not there, were not.
"""

from __future__ import annotations

from collections.abc import Mapping

SIZE = 512
"""Side of its frames, px."""

_DEEPLAB = {"acc": 0.911, "miou": 0.867}
PUBLISHED: Mapping[str, Mapping[str, float]] = {
    "resnet34-unet": {"acc": 0.963, "miou": 0.873},
    "deeplabv3plus": _DEEPLAB,
    "deeplabv3plus-wide": _DEEPLAB,  # it is not known here which atrous rates the study had
    "fcn8s": {"acc": 0.904, "miou": 0.716},
}
