def write_page(path, report):
    return None
