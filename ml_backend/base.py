"""The one door to label-studio-ml: importing it reads the environment, and it needs packages that it does not
declare.

Only its base class is used; its server is of 2021 and does not know what Label Studio sends today.
"""

from label_studio_ml.model import LabelStudioMLBase

__all__ = ["LabelStudioMLBase"]
