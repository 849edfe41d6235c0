"""The built-in listeners, which are plugins like any other, and how events get to all plugins.

`chosen` makes the listeners that a text names; `bus` passes events on, on its own thread. A `record` is an event as
JSON can hold it.
"""
