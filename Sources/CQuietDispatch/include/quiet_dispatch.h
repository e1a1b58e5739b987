#pragma once
// Nothing is called from Swift: see quiet_dispatch.c.
