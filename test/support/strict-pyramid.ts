/** The definition at the head of lib/raster/pyramid.ts, in numpy: `strict(a, method, nodata)` is the next level of `a`. Needs arrays.ts. */
export const strictPyramid = `
def cells_of(a):
    h, w = a.shape
    p = np.zeros((h + h % 2, w + w % 2), a.dtype); p[:h, :w] = a
    e = np.zeros(p.shape, bool); e[:h, :w] = True
    four = lambda x: np.stack([x[0::2, 0::2], x[0::2, 1::2], x[1::2, 0::2], x[1::2, 1::2]])
    return four(p), four(e)

def beside(nodata, dt):
    if dt.kind == 'f':
        if nodata == 0: return np.finfo(dt).tiny
        step = 1e-7 if dt == np.float32 else 2.0 ** -52
        r = dt.type(nodata * (1 + step))
        return r if np.isfinite(r) else dt.type(nodata * (1 - step))
    return nodata - 1 if nodata == np.iinfo(dt).max else nodata + 1

def strict(a, method, nodata):
    c, ok = cells_of(a)
    if method == 'nearest': return c[0]
    if nodata is not None: ok = ok & (~np.isnan(c) if nodata != nodata else c != a.dtype.type(nodata))
    n = ok.sum(axis=0)
    fill = a.dtype.type(nodata) if nodata is not None else a.dtype.type(0)
    if method == 'average':
        s = np.zeros(n.shape, np.float64)
        for i in range(4): s = np.where(ok[i], s + np.where(ok[i], c[i], 0).astype(np.float64), s)
        m = s / np.maximum(n, 1)
        if a.dtype.kind != 'f': m = np.sign(m) * np.floor(np.abs(m) + 0.5)
        r = m.astype(a.dtype)
        if nodata is not None and nodata == nodata: r = np.where((r == a.dtype.type(nodata)), a.dtype.type(beside(nodata, a.dtype)), r)
        return np.where(n > 0, r, fill).astype(a.dtype)
    r, most = np.full(n.shape, fill, a.dtype), np.zeros(n.shape, int)
    for i in range(4):
        # Of values that compare equal (0 and -0) the one that came last stands for them.
        count = sum((ok[j] & ok[i] & ((c[j] == c[i]) | ((c[j] != c[j]) & (c[i] != c[i])))).astype(int) for j in range(i + 1))
        r = np.where(count > most, c[i], r); most = np.maximum(count, most)
    return r
`;
