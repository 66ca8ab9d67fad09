from django.urls import path

from webhooks import views

urlpatterns = [
    path("webhook", views.WebhookView.as_view(), name="webhook"),
    path("manage/users", views.UsersView.as_view(), name="manage-users"),
]
