"""A description in which everything is set."""

from domain.spec.cluster import parse_spec

FULL = parse_spec(
    {
        "nodes": {"minimum": 1},
        "groups": {
            "gpu": {
                "count": 1,
                "template": {"labels": {"disk": "ssd"}, "taints": ["gpu=true:NoSchedule"]},
                "scaling": {"preset": "pending"},
            }
        },
        "addons": {"metrics_server": {}, "cloud_controller": {"account": "sub"}, "csi": {}},
        "access": {"allowed_cidrs": ["203.0.113.0/24"]},
        "monitoring": {"custom": [{"name": "queue", "script": "echo 1", "unit": "jobs"}]},
        "alarms": [{"name": "busy", "metric": "queue", "warning": 5, "error": 9.5, "title": "t"}],
        "notifications": {"services": ["dingtalk-robot/oncall"]},
        "scaling": {
            "minimum": 2,
            "maximum": 9,
            "pods_per_node": 30,
            "rules": [{"comparator": ">", "threshold": 32, "step": 1}],
            "low_use": {},
            "schedule": [{"days": ["mon"], "start": "08:00", "end": "20:00", "minimum": 3}],
            "exempt": ["i-1"],
            "instance_types": ["s1.large.r2"],
        },
    }
).model_dump(mode="json", exclude_none=True)
"""A description in which every list has an item and every optional part is given."""
