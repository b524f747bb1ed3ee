"""Operators: tasks that change something at a service, or that decide whether a run goes on.

The rule of this package: one operator a module, and every request through a hook method. The import paths for
users are ``operators.campaign_cleaner`` and ``operators.instantly``.
"""
