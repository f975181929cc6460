"""What the project stores."""

from django.conf import settings
from django.db import models


class Note(models.Model):
    """A short text of a user."""

    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    text = models.CharField(max_length=200)

    def __str__(self) -> str:
        return self.text
