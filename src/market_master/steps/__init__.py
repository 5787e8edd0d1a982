"""One verb each: the only place that combines rooms. A step is a plain function; Prefect is put around it in flows/."""
