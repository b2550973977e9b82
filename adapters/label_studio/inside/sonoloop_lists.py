"""What the loop asks Label Studio for again and again, without what it does not need.

Label Studio's own lists read every drawing of every model version of each task they name. One process serves
readers and programs alike, so that readers would wait for it.
"""

# mypy: ignore-errors
from core.utils.params import int_from_request
from projects.models import Project
from rest_framework.generics import get_object_or_404
from rest_framework.response import Response
from rest_framework.views import APIView
from tasks.models import Prediction, Task

PAGE = 5000
"""Rows an answer: few enough for readers' requests to come between two of them."""


class _Keys(APIView):
    """Rows of a project in the order of their ids, which come first in each: `size` of those behind `beyond`.

    Like every list of Label Studio, it is open to the members of the project's organisation alone.
    """

    def get(self, request, pk):
        """Answer `{"rows": [...], "page": ...}`; fewer rows than `page` are the last."""
        project = get_object_or_404(Project.objects.for_user(request.user), pk=pk)
        self.check_object_permissions(request, project)
        page = min(PAGE, max(1, int_from_request(request.query_params, "size", PAGE)))
        beyond = int_from_request(request.query_params, "beyond", 0)
        found = self.rows(project, request).filter(id__gt=beyond).order_by("id")[:page]
        return Response({"rows": list(found), "page": page})


class TaskKeys(_Keys):
    """(id,) of each task."""

    def rows(self, project, _):
        """Unordered."""
        return Task.objects.filter(project=project).values_list("id")


class PredictionKeys(_Keys):
    """(id, task, score) of each prediction of exactly the version `model_version`."""

    def rows(self, project, request):
        """Unordered."""
        version = request.query_params.get("model_version", "")
        held = Prediction.objects.filter(project=project, model_version=version)
        return held.values_list("id", "task_id", "score")
