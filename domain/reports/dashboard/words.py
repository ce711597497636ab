"""The words of the page in Chinese; those of the code are English."""

from words import translate

CHINESE = {
    # Parts of the page.
    "Cluster": "集群",
    "zone": "区域",
    "Charts": "图表",
    "Alarms": "告警",
    "Machines": "虚机",
    "Scalings": "伸缩记录",
    "Cost": "费用",
    "Messages that did not arrive": "未送达的消息",
    "What could not be measured": "未能采集的指标",
    # Head.
    "1 hour": "1 小时",
    "6 hours": "6 小时",
    "1 day": "1 天",
    "all": "全部",
    "Lines of": "曲线",
    "groups": "各组",
    "every machine": "每台虚机",
    "Appearance": "外观",
    "updated": "更新于",
    "not updated, the server does not answer": "未更新：服务器没有响应",
    "The charts need JavaScript; the tables do not.": "图表需要 JavaScript，表格不需要。",
    "There are no samples of this time; take some with:": "这段时间没有采样；采集命令：",
    "Line: average of the machines. Band: lowest to highest. Dashed: machines came or went.": (
        "线：组内虚机的平均值。带：最低到最高。虚线：虚机增减。"
    ),
    "Shaded: an alarm fired. Draw over a chart to look closer; click twice to go back.": (
        "底色：告警期间。在图上拖动可放大，双击还原。"
    ),
    # Columns.
    "Level": "级别",
    "Phase": "状态",
    "Rule": "规则",
    "Where": "位置",
    "Value": "值",
    "Since": "开始于",
    "Machine": "虚机",
    "Node": "节点",
    "Group": "组",
    "State": "状态",
    "Type": "类型",
    "Address": "地址",
    "Pods": "Pod 数",
    "of": "/",
    "Time": "时间",
    "Who": "执行者",
    "Why": "原因",
    "Size": "数量",
    "Run": "运行",
    "Day": "日期",
    "Sum": "合计",
    "Written": "写于",
    "Service": "服务",
    "Message": "消息",
    "Outcome": "结果",
    "Attempts": "次数",
    "Metric": "指标",
    "Times": "次数",
    "First": "最早",
    "Last": "最近",
    # States.
    "Ready": "就绪",
    "cordoned": "已停止调度",
    "NotReady": "未就绪",
    "no node": "尚无节点",
    "no machine": "没有虚机",
    "broken": "故障",
    "firing": "告警中",
    "pending": "待确认",
    "error": "错误",
    "warning": "警告",
    "the whole cluster": "整个集群",
    "Nothing fires and nothing is pending.": "没有告警，也没有待确认的告警。",
    "failed": "失败",
    "open": "打开",
    "machines came or went without a recorded run": "虚机增减，没有对应的运行记录",
    # Tiles.
    "machines": "台虚机",
    "nodes are Ready": "个节点就绪",
    "workload pods": "个工作负载 Pod",
    "alarms firing": "个告警",
    "alarms pending": "个待确认",
    "an hour": "每小时",
    "so far": "累计",
    "saved by scaling": "伸缩节省",
    # Titles of charts.
    "Workload pods": "工作负载 Pod 数",
    "CPU in use": "CPU 使用率",
    "Memory in use": "内存使用率",
    "System disk in use": "系统盘使用率",
    "Received from the private network": "私网流入",
    "Sent to the private network": "私网流出",
    "Requested share of the CPU": "CPU 请求占比",
    "Requested share of the memory": "内存请求占比",
    "Containers of workload pods": "工作负载容器数",
    "Pods that wait": "等待中的 Pod",
}


def in_chinese(words: str) -> str:
    """The Chinese of these words: of the page, or of a sentence that is shown on it."""
    return CHINESE.get(words) or (translate(words, "zh") if " " in words else words)
