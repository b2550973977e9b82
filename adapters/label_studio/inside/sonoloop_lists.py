"""What the loop asks Label Studio for again and again, without what it does not need.

Label Studio's own lists read every drawing of every model version of each task they name. One process serves
readers and programs alike, so that readers would wait for it.
"""

# mypy: ignore-errors
from collections import defaultdict

from core.utils.params import int_from_request
from django.db.models import Q
from django.utils.dateparse import parse_datetime
from projects.models import Project
from rest_framework.exceptions import ValidationError
from rest_framework.generics import get_object_or_404
from rest_framework.response import Response
from rest_framework.views import APIView
from tasks.models import Annotation, Prediction, Task

PAGE = 5000
"""Rows an answer at most: few enough for readers' requests to come between two of them."""
ANNOTATION_FIELDS = (
    *("task_id", "completed_by_id", "parent_prediction_id", "result", "was_cancelled"),
    *("created_at", "draft_created_at", "lead_time", "import_id"),
)


class _List(APIView):
    """Rows of a project, `size` of those behind the id `beyond`.

    Like every list of Label Studio, it is open to the members of the project's organisation alone.
    """

    def get(self, request, pk):
        """Answer `{"rows": [...], "page": ...}`; fewer rows than `page` are the last."""
        project = get_object_or_404(Project.objects.for_user(request.user), pk=pk)
        self.check_object_permissions(request, project)
        page = min(PAGE, max(1, int_from_request(request.query_params, "size", PAGE)))
        beyond = int_from_request(request.query_params, "beyond", 0)
        return Response({"rows": self.page(project, request, beyond, page), "page": page})


class _Keys(_List):
    """In the order of their ids, which come first in each row."""

    def page(self, project, request, beyond, size):
        """A list of tuples."""
        return list(self.rows(project, request).filter(id__gt=beyond).order_by("id")[:size])


class TaskKeys(_Keys):
    """(id,) of each task."""

    def rows(self, project, _):
        """Unordered."""
        return Task.objects.filter(project=project).values_list("id")


class AnnotationKeys(_Keys):
    """(id, moment of the last change) of each annotation."""

    def rows(self, project, _):
        """Unordered."""
        return Annotation.objects.filter(task__project=project).values_list("id", "updated_at")


class ChangedTasks(_List):
    """Tasks with their annotations, oldest change first: those changed after `since`, and those of that very
    moment whose id is behind `beyond`.
    """

    def page(self, project, request, beyond, size):
        """A list of objects, named as in Label Studio's own."""
        since = parse_datetime(request.query_params.get("since", ""))
        if since is None or since.tzinfo is None:
            raise ValidationError({"since": "It should be a moment with its offset."})
        later = Q(updated_at__gt=since) | Q(updated_at=since, id__gt=beyond)
        found = Task.objects.filter(later, project=project).order_by("updated_at", "id")
        tasks = list(found.values("id", "data", "updated_at")[:size])
        of_task = _annotations([task["id"] for task in tasks])
        return [{**task, "annotations": of_task[task["id"]]} for task in tasks]


def _annotations(task_ids):
    """Annotations by task, as Label Studio's own lists show them."""
    found = Annotation.objects.filter(task_id__in=task_ids).order_by("id")
    of_task = defaultdict(list)
    for row in found.values("id", "updated_at", *ANNOTATION_FIELDS):
        row["task"] = row.pop("task_id")
        row["completed_by"] = row.pop("completed_by_id")
        row["parent_prediction"] = row.pop("parent_prediction_id")
        of_task[row["task"]].append(row)
    return of_task


class PredictionKeys(_Keys):
    """(id, task, score) of each prediction of exactly the version `model_version`."""

    def rows(self, project, request):
        """Unordered."""
        version = request.query_params.get("model_version", "")
        held = Prediction.objects.filter(project=project, model_version=version)
        return held.values_list("id", "task_id", "score")
