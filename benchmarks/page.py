def table_of(f): return ""
def write_page(r): pass
def profile_table(t): return "\n".join("%5.1f %% %s"%(100*s,n) for n,s in t["rows"])
