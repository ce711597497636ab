"""The words of kube-ui in Chinese; what the API calls states and kinds stays as it is."""

from collections.abc import Mapping

NOTE = (
    "The local cloud stands in for Headlamp here: these pages show what the Kubernetes API answers "
    "for your token, and change nothing."
)
CHINESE = {
    "kube-ui on the local cloud": "本地云上的 kube-ui",
    NOTE: "本地云用这些页面代替 Headlamp：显示 Kubernetes API 对您的令牌返回的内容，不做任何改动。",
    "Log in to the cluster": "登录集群",
    "Token": "令牌",
    "Log in": "登录",
    "Log out": "退出登录",
    "qingcloud-k8s ui prints a token.": "运行 qingcloud-k8s ui 可以得到令牌。",
    "This way in cannot reach the Kubernetes API.": "从这个入口无法访问 Kubernetes API。",
    "The Kubernetes API does not accept this token.": "Kubernetes API 不接受这个令牌。",
    "The Kubernetes API does not accept this token any more.": "Kubernetes API 不再接受这个令牌。",
    "That is too long for a token.": "内容太长，不是令牌。",
    "Please paste a token.": "请粘贴令牌。",
    "Search": "搜索",
    "Refresh": "刷新",
    "every 10 s": "每 10 秒",
    "All namespaces": "所有命名空间",
    "Show": "显示",
    "Cluster": "集群",
    "Nodes": "节点",
    "Namespaces": "命名空间",
    "Workloads": "工作负载",
    "Pods": "Pod",
    "Services": "服务",
    "Events": "事件",
    "Name": "名称",
    "Namespace": "命名空间",
    "State": "状态",
    "Roles": "角色",
    "Version": "版本",
    "Address": "地址",
    "Age": "存在时间",
    "Kind": "种类",
    "Ready": "就绪",
    "Images": "镜像",
    "Restarts": "重启",
    "Node": "节点",
    "Type": "类型",
    "Cluster IP": "集群 IP",
    "Ports": "端口",
    "Last seen": "最近",
    "Reason": "原因",
    "Object": "对象",
    "Message": "消息",
    "Times": "次数",
    "Condition": "状况",
    "Since": "持续",
    "Container": "容器",
    "Image": "镜像",
    "Containers": "容器",
    "Conditions": "状况",
    "As the API has it": "API 中的内容",
    "Nothing here": "没有内容",
    "{count} more; search for them": "还有 {count} 项，可用搜索查找",
    "The API answers {status}: {reason}": "API 返回 {status}：{reason}",
    "Method not allowed": "不允许的方法",
    "No such page": "没有这个页面",
}


class _English(dict[str, str]):
    def __missing__(self, text: str) -> str:
        return text


def language_of(accepted: str) -> str:
    """The language of an Accept-Language header: `zh` where it stands before English, else `en`."""
    for part in accepted.lower().split(","):
        name = part.partition(";")[0].strip()[:2]
        if name in ("zh", "en"):
            return name
    return "en"


def words_in(language: str) -> Mapping[str, str]:
    """English texts and what stands for them; one without a translation stands for itself."""
    words = _English({"": language})
    if language == "zh":
        words.update(CHINESE)
    return words
