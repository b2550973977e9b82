"""What Label Studio's API lacks for accounts: a new password, and an end for a reader who has left.

Community has no roles, so that its own permissions would let every reader do this: here the first account
alone may, by its token. A browser's session opens nothing.
"""

# mypy: ignore-errors
from django.db import transaction
from rest_framework.authentication import TokenAuthentication
from rest_framework.generics import get_object_or_404
from rest_framework.permissions import BasePermission
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from tasks.models import Annotation, AnnotationDraft, TaskLock
from users.models import User


class IsFirstAccount(BasePermission):
    """The one that was made with the server; readers who sign up are no superusers."""

    def has_permission(self, request, _):
        """Whether the token is its."""
        return bool(request.user and request.user.is_active and request.user.is_superuser)


class _ForFirstAccount(APIView):
    authentication_classes = (TokenAuthentication,)
    permission_classes = (IsFirstAccount,)


class Disabled(_ForFirstAccount):
    """Who may not log in."""

    def get(self, _):
        """Answer `{"disabled": [ids]}`."""
        return Response({"disabled": list(User.objects.filter(is_active=False).values_list("id", flat=True))})


class Access(_ForFirstAccount):
    """One account: `{"password": ...}` lets its holder log in by that alone, `{"is_active": false}` not at
    all. Sessions end either way: they are signed with the password, and ask whether the account is active.
    """

    def post(self, request, pk):
        """Answer `{"is_active": ...}`."""
        password, is_left = request.data.get("password"), request.data.get("is_active") is False
        if is_left == bool(password):
            return Response({"detail": "either a password or is_active false"}, status=400)
        with transaction.atomic():
            user = get_object_or_404(User.objects.select_for_update(), pk=pk)
            if is_left and user.is_superuser:
                return Response({"detail": "the first account stays"}, status=400)
            user.is_active = not is_left
            if password:
                user.set_password(password)
            user.save()
            _end_tokens(user)
            TaskLock.objects.filter(user=user).delete()
        return Response({"is_active": user.is_active})


class Work(_ForFirstAccount):
    """What would be lost, or lose its author, with an account."""

    def get(self, _, pk):
        """Answer `{"annotations": number, "drafts": number}`; zeros for no account."""
        annotations = Annotation.objects.filter(completed_by_id=pk).count()
        return Response(
            {"annotations": annotations, "drafts": AnnotationDraft.objects.filter(user_id=pk).count()}
        )


def _end_tokens(user):
    """Those of a reader; by the first account's our own programs speak."""
    for token in OutstandingToken.objects.filter(user=user):
        BlacklistedToken.objects.get_or_create(token=token)
    if not user.is_superuser:
        user.reset_token()
