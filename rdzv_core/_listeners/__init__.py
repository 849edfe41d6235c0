"""The built-in listeners, which are plugins like any other, and how events get to all plugins.

`chosen` makes the listeners that a text names; `bus` tells events on a thread of its own. A `record` is an event as
what JSON can hold.
"""
