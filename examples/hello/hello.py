"""Two steps, of which the second takes what the first has come to: prints "Hello, World!"."""
import tilefan


def join(a, b):
    return ', '.join([a, b])


def excite(value):
    return value + '!'


if __name__ == '__main__':
    joined = tilefan.submit(join, [{'a': 'Hello', 'b': 'World'}])
    [text] = tilefan.map(excite, joined)
    print(text)
