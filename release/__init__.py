"""What a release needs: one version for all distributions, and what is built held against what it should be."""
