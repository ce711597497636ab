"""`qingcloud-k8s tour`: the article's steps on the local cloud, with a pause at each.

The steps and the words are data, in both languages: `steps.yaml` and `words.yaml`.
"""
