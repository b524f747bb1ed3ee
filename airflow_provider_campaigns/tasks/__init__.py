"""What operators and sensors share: arguments, deferral, gates, storage, task state.

The rule of this package: functions, small objects and base classes of tasks. All operators and sensors
inherit from ``RenderedTask``, both gates from ``AskingGate``. A Dag imports nothing from here.
"""
