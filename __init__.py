"""pneumoseg: segmentation of lungs and COVID-19 infections in CT volumes."""
