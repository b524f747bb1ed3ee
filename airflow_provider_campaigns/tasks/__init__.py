"""What operators and sensors share: arguments, deferral, gates, storage, task state.

The rule of this package: functions and small objects that a task calls. Nothing here is an operator, and no
operator inherits from it.
"""
