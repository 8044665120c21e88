"""The code that README.md and docs/ show, taken out and tried."""
