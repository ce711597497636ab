"""Headless Chromium on the Prefect UI, driven as a person uses it: by the words on the page."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import TypeVar

from PIL import Image
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException, TimeoutException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
ARGUMENTS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
PATIENCE = 40.0
MANY_COLOURS = 12

T = TypeVar("T")


class Page:
    """The pages of one Prefect server."""

    def __init__(self, driver: webdriver.Chrome, url: str, pictures: Path) -> None:
        self._driver, self._url, self._pictures = driver, f"{url}/v2", pictures

    def log_in(self, auth: str) -> None:
        """Give the auth string to the form that stands in place of every page."""
        self.open("dashboard")
        self.write("input[type=password]", auth)
        self.click("button[type=submit]")
        self.see("Logout")

    def open(self, path: str) -> None:
        self._driver.get(f"{self._url}/{path}")

    def visit(self, address: str) -> None:
        """Open a page that is not one of the server's."""
        self._driver.get(address)

    def point_at(self, selector: str) -> None:
        """Move the pointer to the middle of an element."""
        element = self.find(selector)
        self._show(element)
        ActionChains(self._driver).move_to_element(element).perform()

    def run(self, script: str) -> object:
        """Run a script in the page. Returns: its value."""
        return self._driver.execute_script(script)

    def find(self, selector: str) -> WebElement:
        """Wait for an element."""
        return self._wait(lambda: self.all(selector)[:1])[0]

    def all(self, selector: str) -> list[WebElement]:
        return self._driver.find_elements(By.CSS_SELECTOR, selector)

    def see(self, *words: str) -> str:
        """Wait until the page shows these words. Returns: all of its text."""
        return self._wait(lambda: self._shown(words))

    def choose(self, selector: str, words: str, which: int = 0) -> None:
        """Click one of the elements with exactly these words."""
        self._click(self._wait(lambda: self._matching(selector, words)[which:])[0])

    def _matching(self, selector: str, words: str) -> list[WebElement]:
        return [one for one in self.all(selector) if one.text.strip() == words]

    def submit(self, selector: str, words: str, is_done: Callable[[], object]) -> None:
        """Click an element with these words, and again while that has no effect, as a person does.

        A form that is just being checked takes no click.
        """
        for _ in range(6):
            with suppress(TimeoutException, StaleElementReferenceException):
                for element in self._matching(selector, words)[:1]:
                    self._click(element)
                WebDriverWait(self._driver, PATIENCE / 6, 0.2).until(lambda _: is_done())
                return
        self.keep("failed")
        raise AssertionError(f"{words} has no effect")

    def click(self, selector: str) -> None:
        self._click(self.find(selector))

    def write(self, selector: str, words: str, which: int = 0) -> None:
        """Type into one of the fields that match."""
        field = self._wait(lambda: self.all(selector)[which:])[0]
        self._show(field)
        field.send_keys(words)

    def loaded_pictures(self, part: str) -> list[str]:
        """Wait for pictures whose address has this part. Returns: the addresses of loaded ones."""
        script = (
            "return [...document.images].filter(i => i.src.includes(arguments[0])"
            " && i.complete && i.naturalWidth > 0).map(i => i.src)"
        )
        return list(self._wait(lambda: self._driver.execute_script(script, part)))

    def see_drawing(self, selector: str) -> None:
        """Wait until something is drawn on a canvas: until it has several colours."""

        def is_drawn() -> bool:
            picture = Image.open(BytesIO(self.find(selector).screenshot_as_png))
            return len(picture.convert("RGB").getcolors(1 << 20) or ()) > MANY_COLOURS

        self._wait(is_drawn)

    def keep(self, name: str) -> None:
        """Keep a picture of the window."""
        self._driver.save_screenshot(str(self._pictures / f"{name}.png"))

    def _click(self, element: WebElement) -> None:
        self._show(element)
        self._driver.execute_script("arguments[0].focus()", element)  # what floats above ends
        element.click()

    def _show(self, element: WebElement) -> None:
        self._driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)

    def _shown(self, words: tuple[str, ...]) -> str:
        text = self._driver.find_element(By.TAG_NAME, "body").text
        return text if all(one in text for one in words) else ""

    def _wait(self, look: Callable[[], T]) -> T:
        wait = WebDriverWait(
            self._driver, PATIENCE, 0.2, ignored_exceptions=[StaleElementReferenceException]
        )
        try:
            return wait.until(lambda _: look())
        except TimeoutException:
            self.keep("failed")
            raise


@contextmanager
def chromium(url: str, pictures: Path) -> Iterator[Page]:
    """Open a browser with a profile of its own."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for one in (*ARGUMENTS, "--window-size=1180,860", f"--user-data-dir={pictures / 'profile'}"):
        options.add_argument(one)
    driver = webdriver.Chrome(options=options, service=Service(DRIVER or ""))
    try:
        yield Page(driver, url, pictures)
    finally:
        driver.quit()
