"""Base weights from phantoms alone, so that the first frame a reader opens is already drawn."""

from trainer.pretraining.fit import PretrainingConfig, Progress, pretrain

__all__ = ["PretrainingConfig", "Progress", "pretrain"]
