"""Makes the pictures of the documents from the real thing: `up --demo` on free ports, then a headless browser.

Needs Debian's `chromium` and `chromium-driver` (or another Chrome with its driver on the PATH).
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from watchkeeper.app.settings import load
from watchkeeper.app.up import Up

HERE = Path(__file__).parent
SIZE = (1440, 900)
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    f"--window-size={SIZE[0]},{SIZE[1]}",
)
PICTURES = {
    "console": "/",
    "traffic": "/traffic",
    "servers": "/servers",
    "incidents": "/incidents",
    "journal": "/journal",
}


def browser(profile: str) -> webdriver.Chrome:
    options = webdriver.ChromeOptions()
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    driver = shutil.which("chromedriver")
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(driver) if driver else None)


def take(link: str, folder: Path, profile: str) -> None:
    base = link.partition("/enter")[0]
    driver = browser(profile)
    try:
        driver.get(link)
        wait = WebDriverWait(driver, 10)
        wait.until(lambda d: d.find_element(By.CSS_SELECTOR, "[data-token]").get_attribute("value"))
        driver.find_element(By.CSS_SELECTOR, "button[type=submit]").click()
        wait.until(lambda d: d.current_url == f"{base}/")
        for name, path in PICTURES.items():
            driver.get(base + path)
            driver.save_screenshot(str(folder / f"{name}.png"))
        driver.get(f"{base}/incidents")
        driver.find_element(By.CSS_SELECTOR, "a[href^='/incidents/']").click()
        driver.save_screenshot(str(folder / "incident.png"))
        driver.get(f"{base}/definition?server=training&kind=tool&name=weather")
        driver.save_screenshot(str(folder / "definition.png"))
    finally:
        driver.quit()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE)
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as data,
        tempfile.TemporaryDirectory() as profile,
        Up(load(None, Path(data), free_ports=True), demo=True, told=sys.stderr.write) as up,
    ):
        report = up.exercise(lambda step: None)
        if not report.passed:
            sys.exit(f"not every step was seen; no pictures: {report}")
        take(up.link(), chosen.out, profile)


if __name__ == "__main__":
    main()
