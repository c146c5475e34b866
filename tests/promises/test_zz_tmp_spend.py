from __future__ import annotations
import asyncio, httpx, pytest
from collections import Counter
from tests.promises.test_p10_the_cap_holds import *
from tests.promises.test_p10_the_cap_holds import opened
pytestmark = pytest.mark.anyio
@pytest.mark.parametrize("n",[1,2,3])
async def test_dead(hive, store_url, clock, n):
    if store_url is None: return
    with opened(hive, store_url, clock, spend(total=10**9)) as one, opened(hive, store_url, clock, spend(total=10**9)) as other:
        wire=ScriptedWire(PROFILE); cw=ScriptedWire(answer(202,{"routine_run_id":"r"}))
        cs=[]
        for d in (one,other):
            cs.append((client_over(wire, vendor_rb2b.OPERATIONS, vendor="rb2b", safety=d.safety), client_over(cw, vendor_clay.OPERATIONS, vendor="clay", safety=d.safety)))
        calls=[]
        for k in range(200):
            r,c=cs[k%2]
            a=r.request(BY_EMAIL,json={"email":f"p{k}@x.io"}); b=c.request(vendor_clay.RUN,path_params={"routine_id":"rt"},json={"items":[]})
            calls += [a,b] if k%2 else [b,a]
        ends=Counter(repr(e)[:150] if isinstance(e,Exception) else "ok" for e in await asyncio.gather(*calls, return_exceptions=True))
        print(ends)
        other.brakes.close()
        print(one.counts())
        assert set(ends)=={"ok"}
