"""Which versions Label Studio and its parts have: for who has an account, and nobody else."""

# mypy: ignore-errors
from core import views
from django.http import JsonResponse
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import api_view, permission_classes
from rest_framework.permissions import AllowAny

NOTHING = {"label-studio-os-package": {}}
"""What a page of Label Studio's needs to be told, so that it does not say that something went wrong."""


def tell_strangers_no_version():
    """Put a guard before Label Studio's view, which answers in front of whatever begins an address."""
    told = views.version_page

    @extend_schema(exclude=True)
    @api_view(["GET"])
    @permission_classes([AllowAny])
    def version_page(request):
        return told(request._request) if request.user.is_authenticated else JsonResponse(NOTHING)

    views.version_page = version_page
