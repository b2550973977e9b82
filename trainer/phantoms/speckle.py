"""From echo levels to grey: scatterers, point spread, envelope, log compression."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import gaussian_filter1d

from trainer.phantoms.fields import Array
from trainer.phantoms.scanner import Scanner

Complex = NDArray[np.complex64]
_FWHM = 2.3548


def draw_scatterers(rng: np.random.Generator, shape: tuple[int, int]) -> Complex:
    """Circular complex Gaussian field (H, W) of unit power: speckle before the point spread."""
    pair = rng.standard_normal((*shape, 2), dtype=np.float32) * np.float32(np.sqrt(0.5))
    return pair.view(np.complex64)[..., 0]


def spread(field: Complex, scanner: Scanner, scale: float) -> Complex:
    """Blur a field (H, W) by the point spread, wider off the focus; white noise keeps its power."""
    depth = np.linspace(0, 1, field.shape[0], dtype=np.float32)
    away = np.abs(depth - scanner.focus) / max(scanner.focus, 1 - scanner.focus)
    lateral = np.float32(scanner.lateral_fwhm / _FWHM * scale) * (1 + np.float32(scanner.defocus) * away**1.5)
    blurred = _blur_rows(field, lateral)
    near = scanner.axial_fwhm / _FWHM * scale
    far = 1.25 * near
    shallow, deep = _blur_columns(blurred, near), _blur_columns(blurred, far)
    return (shallow + depth[:, None] * (deep - shallow)).astype(np.complex64)


def _blur_rows(field: Complex, sigma: Array) -> Complex:
    """Gaussian along x with a width (H,) px for every row, of unit energy."""
    pad = fft.next_fast_len(field.shape[1] + int(4 * float(sigma.max())))
    frequency = (2 * np.pi * np.fft.fftfreq(pad)).astype(np.float32)
    transfer = np.exp(-0.5 * (sigma[:, None] * frequency[None, :]) ** 2)
    transfer *= np.sqrt(2 * np.float32(np.sqrt(np.pi)) * sigma)[:, None]
    blurred = fft.ifft(fft.fft(field, pad, axis=1) * transfer, axis=1)
    return np.ascontiguousarray(blurred[:, : field.shape[1]]).astype(np.complex64)


def _blur_columns(field: Complex, sigma: float) -> Complex:
    gain = np.float32(np.sqrt(2 * np.sqrt(np.pi) * sigma))
    real = gaussian_filter1d(field.real, sigma, axis=0, truncate=3.0)
    imaginary = gaussian_filter1d(field.imag, sigma, axis=0, truncate=3.0)
    return np.asarray((real + 1j * imaginary) * gain, np.complex64)


def compress(envelope: Array, ceiling_db: float, range_db: float, gamma: float) -> NDArray[np.uint8]:
    """Envelope to grey uint8: the ceiling is white, `range_db` below it black; gamma above 1 darkens."""
    level = 20 * np.log10(np.maximum(envelope, 1e-6))
    share = np.clip((level - ceiling_db + range_db) / range_db, 0, 1)
    return np.asarray(np.rint(255 * share**gamma), np.uint8)
