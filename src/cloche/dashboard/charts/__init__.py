"""Charts over time, histograms and small drawings, as SVG that needs no script."""
