"""All that is simulated: nodes, clocks, network and store."""
