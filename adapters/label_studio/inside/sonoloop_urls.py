"""Label Studio's own addresses and those of our lists."""

# mypy: ignore-errors
# ruff: noqa: F403
from core.urls import *
from core.urls import urlpatterns
from django.urls import path
from sonoloop_lists import PredictionKeys, TaskKeys

urlpatterns = [
    path("api/projects/<int:pk>/sonoloop/predictions", PredictionKeys.as_view()),
    path("api/projects/<int:pk>/sonoloop/tasks", TaskKeys.as_view()),
    *urlpatterns,
]
