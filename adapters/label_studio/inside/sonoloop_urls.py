"""Label Studio's own addresses, and those of our lists and of what we add for accounts."""

# mypy: ignore-errors
# ruff: noqa: E402, F403
from sonoloop_versions import tell_strangers_no_version

tell_strangers_no_version()  # before Label Studio's addresses take hold of what it guards

from core.urls import *
from core.urls import urlpatterns
from django.urls import path
from sonoloop_accounts import Access, Disabled, Work
from sonoloop_json import answer_in_ascii
from sonoloop_lists import AnnotationKeys, ChangedTasks, PredictionKeys, TaskKeys

answer_in_ascii()

urlpatterns = [
    path("api/sonoloop/accounts/disabled", Disabled.as_view()),
    path("api/sonoloop/accounts/<int:pk>", Access.as_view()),
    path("api/sonoloop/accounts/<int:pk>/work", Work.as_view()),
    path("api/projects/<int:pk>/sonoloop/predictions", PredictionKeys.as_view()),
    path("api/projects/<int:pk>/sonoloop/annotations", AnnotationKeys.as_view()),
    path("api/projects/<int:pk>/sonoloop/tasks", TaskKeys.as_view()),
    path("api/projects/<int:pk>/sonoloop/changes", ChangedTasks.as_view()),
    *urlpatterns,
]
