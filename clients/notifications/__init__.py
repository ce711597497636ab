"""Notification services: chat robots, mail, webhooks."""

from clients.notifications.robots import DingTalk, Feishu, Robot, WeCom
from clients.notifications.services import AppriseService

__all__ = ["AppriseService", "DingTalk", "Feishu", "Robot", "WeCom"]
