"""Which pixels a request wants."""


def window_of(request):
    column, row, columns, rows = request['window']
    return column, row, columns, rows
